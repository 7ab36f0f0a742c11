import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import BadImage, BadRequest, InputError, TooLarge
from inference.requests import ImageRequest, parse_request
from inference.schema import XaiParameters
from inference.settings import ClassificationSettings

CLASSIFIER = ClassificationSettings()
IMAGE = bytes(range(256))
TEXT = base64.b64encode(IMAGE).decode()
BROKEN_LINES = base64.encodebytes(IMAGE).decode()


def parse(body: Any, **options: Any) -> list[ImageRequest | InputError]:
    return parse_request(json.dumps(body).encode(), settings=CLASSIFIER, **options)


def azure(*data: Any) -> dict[str, Any]:
    return {"input_data": {"columns": ["image"], "data": list(data)}}


def test_no_images_give_no_entries() -> None:
    assert parse(azure()) == []


@pytest.mark.parametrize(
    "body",
    [
        {"image_base64": TEXT},
        {"image_base64": BROKEN_LINES},
        {"image_base64": f" {TEXT}\r\n"},
        {"image_base64": TEXT, "model_explainability": False},
        {"image_base64": TEXT, "xai_parameters": {"n_steps": 20}},
        azure(TEXT),
        azure(BROKEN_LINES),
        azure([BROKEN_LINES]),
        azure(json.dumps({"image_base64": BROKEN_LINES})),
        azure([json.dumps({"image_base64": TEXT})]),
        azure({"image_base64": TEXT}),
        {"input_data": {"data": [TEXT]}},
        {"input_data": {"columns": ["image"], "index": [0], "data": [TEXT]}, "params": {}},
    ],
)
def test_every_form_gives_the_image(body: Any) -> None:
    assert parse(body) == [ImageRequest(IMAGE, CLASSIFIER)]


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: azure(json.dumps(one))])
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, XaiParameters()),
        ({"xai_parameters": None}, XaiParameters()),
        ({"xai_parameters": {}}, XaiParameters()),
        (
            {"xai_parameters": {"xai_algorithm": "integrated_gradients", "n_steps": 20}},
            XaiParameters(xai_algorithm="integrated_gradients", n_steps=20),
        ),
    ],
)
def test_explanations_are_read_with_azures_defaults(
    wrap: Any, parameters: dict[str, Any], expected: XaiParameters
) -> None:
    one = {"image_base64": TEXT, "model_explainability": True, **parameters}
    assert parse(wrap(one)) == [ImageRequest(IMAGE, CLASSIFIER, expected)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not valid JSON: .*zero-length"),
        (b'{"image_base64": ', "the body is not valid JSON: .*line 1 column"),
        (b"\xff\xfe", "the body is not valid JSON: .*UTF-8"),
        (b"[]", "the body must be a JSON object, got list"),
        (b"null", "the body must be a JSON object, got null"),
        (b'{"a":' * 5000, "the body is not valid JSON"),
        (b"{}", "image_base64 is missing"),
    ],
)
def test_a_body_that_is_no_request_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        parse_request(body, settings=CLASSIFIER)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_base64": 3}, "image_base64: input should be a valid string, got 3"),
        ({"model_explainability": "yes"}, "model_explainability: .*boolean, got 'yes'"),
        ({"model_explainabilty": True}, "unknown key .*did you mean 'model_explainability'"),
        ({"settings": {"valid_crop_size": 64}}, "settings: a classifier has none"),
        ({"xai_parameters": []}, "xai_parameters: .*got \\[\\]"),
        ({"xai_parameters": {"n_step": 3}}, "unknown key .*did you mean 'n_steps'"),
        ({"xai_parameters": {"n_steps": 1}}, "n_steps: must be an integer 2…500, .*got 1"),
        ({"xai_parameters": {"n_steps": 501}}, "n_steps: must be .*2…500, .*got 501"),
        ({"xai_parameters": {"n_steps": 20.5}}, "n_steps: .*integer .*got 20.5"),
        ({"xai_parameters": {"xai_algorithm": "lime"}}, "xai_algorithm: .*'xrai'.*got 'lime'"),
        (
            {"xai_parameters": {"confidence_score_threshold_multilabel": 1.5}},
            "confidence_score_threshold_multilabel: .*equal to 1, got 1.5",
        ),
    ],
)
def test_wrong_fields_of_an_image_are_named(values: dict[str, Any], message: str) -> None:
    one = {"image_base64": TEXT, **values}
    with pytest.raises(BadRequest, match=message):
        parse(one)
    good, bad = parse(azure(TEXT, json.dumps(one)))
    assert good == ImageRequest(IMAGE, CLASSIFIER)
    assert isinstance(bad, BadRequest)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input_data": []}, "input_data: .*got \\[\\]"),
        ({"input_data": {"columns": ["image"]}}, "input_data.data is missing"),
        ({"input_data": {"columns": ["img"], "data": []}}, "columns.0: .*'image', got 'img'"),
        ({"input_data": {"columns": [], "data": []}}, "columns: .*at least 1"),
        ({"input_data": {"data": TEXT}}, "input_data.data: .*list"),
        ({"input_data": {"colums": ["image"], "data": []}}, "did you mean 'columns'"),
        ({**azure(TEXT), "settings": {"valid_crop_size": 64}}, "settings: a classifier has none"),
        ({**azure(TEXT), "params": {"threshold": 1}}, "params: .*at most 0 items"),
    ],
)
def test_wrong_fields_of_the_request_are_named(body: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        parse(body)


@pytest.mark.parametrize(
    ("element", "kind", "message"),
    [
        ("{", BadRequest, "the JSON string in data is not valid JSON: .*line 1"),
        ([], BadRequest, "a row of data must hold 1 element, got 0"),
        ([TEXT, TEXT], BadRequest, "a row of data must hold 1 element, got 2"),
        (None, BadRequest, "an element of data must be base64 text .*got null"),
        (7, BadRequest, "an element of data must be base64 text .*got int"),
        ("%%%", BadImage, "the image is not valid base64"),
        ("AAA", BadImage, "the image is not valid base64"),
        ("é", BadImage, "the image is not valid base64"),
        ("data:image/png;base64,AAAA", BadImage, "the image is not valid base64"),
    ],
)
def test_a_bad_element_takes_its_own_place(
    element: Any, kind: type[InputError], message: str
) -> None:
    before, bad, after = parse(azure(TEXT, element, TEXT))
    assert before == after == ImageRequest(IMAGE, CLASSIFIER)
    with pytest.raises(kind, match=message):
        raise bad


def test_too_many_images_are_refused() -> None:
    with pytest.raises(TooLarge, match="at most 2 images fit into one request, got 3"):
        parse(azure(TEXT, TEXT, TEXT), max_images=2)


KEYS = st.sampled_from(
    ["input_data", "columns", "data", "image_base64", "model_explainability", "xai_parameters", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)  # a busy machine is no defect
@given(JSON)
def test_any_json_gives_entries_or_an_input_error(body: Any) -> None:
    try:
        entries = parse(body)
    except InputError:
        return
    assert all(isinstance(entry, ImageRequest | InputError) for entry in entries)


@settings(deadline=None)  # a busy machine is no defect
@given(st.binary(max_size=64))
def test_bytes_that_are_no_json_are_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="JSON"):
        parse_request(b"\x00" + body, settings=CLASSIFIER)
