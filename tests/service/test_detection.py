"""A detector behind a real server: Azure's bodies, settings per request, errors by key."""

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.inference.images import encoded
from tests.model_folders import write_detector_folder
from tests.service.servers import running_server

TEXT = base64.encodebytes(encoded(0, size_wh=(120, 90))).decode()
LOW = {"box_score_thresh": 0.05}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    home = tmp_path_factory.mktemp("home")
    folder = write_detector_folder(
        home / "model",
        family="maskrcnn_resnet18_fpn",
        settings={"min_size": 64, "max_size": 128, "box_score_thresh": 0.3},
    )
    arguments = (f"model={folder.path}", "device=cpu", "engine=torch")
    with running_server(*arguments, home=home) as server, server.client() as client:
        yield client


def score(client: httpx.Client, body: Any) -> httpx.Response:
    return client.post("/score", json=body)


def azure(*data: Any, **more: Any) -> dict[str, Any]:
    return {"input_data": {"columns": ["image"], "data": list(data)}, **more}


def test_an_answer_is_azures_body(client: httpx.Client) -> None:
    response = score(client, azure(TEXT))
    assert response.status_code == 200
    (answer,) = response.json()
    assert list(answer) == ["boxes"]
    for item in answer["boxes"]:
        assert list(item) == ["box", "label", "score", "polygon"]
        assert list(item["box"]) == ["topX", "topY", "bottomX", "bottomY"]
        assert all(0 <= value <= 1 for value in item["box"].values())
        assert item["label"] in ("a", "b", "c")
        assert 0.3 < item["score"] <= 1
    assert "forward" in response.headers["Server-Timing"]


def test_nothing_found_is_an_empty_list(client: httpx.Client) -> None:
    body = {"image_base64": TEXT, "settings": {"box_score_threshold": 1.0}}
    response = score(client, body)
    assert (response.status_code, response.json()) == (200, [{"boxes": []}])


def test_settings_hold_for_a_request_and_again_for_one_image(client: httpx.Client) -> None:
    one = json.dumps({"image_base64": TEXT, "settings": {"box_detections_per_img": 1}})
    few, more = score(
        client, azure(one, TEXT, settings={**LOW, "box_detections_per_img": 3})
    ).json()
    assert (len(few["boxes"]), len(more["boxes"])) == (1, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"box_score_thresh": 1.5}, "settings.box_score_thresh: .*got 1.5"),
        ({"tile_grid_size": "0x0"}, "settings.tile_grid_size: .*got '0x0'"),
        ({"tile_grid_size": "9x9"}, "tile_grid_size 9x9 cuts this image .* tiles of"),
        ({"tile_overlap_ratio": 1}, "settings.tile_overlap_ratio: .*got 1"),
        ({"box_score_tresh": 0.5}, "did you mean 'box_score_thresh'"),
        ({"min_size": 64}, "min_size belongs to the model"),
    ],
)
def test_wrong_settings_are_400_with_the_keys_name(
    client: httpx.Client, settings: dict[str, Any], message: str
) -> None:
    response = score(client, {"image_base64": TEXT, "settings": settings})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "bad_request")
    assert re.search(message, error["message"])


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 20000), (20000, 1)])
def test_images_of_odd_shapes_are_scored(client: httpx.Client, size_wh: tuple[int, int]) -> None:
    image = encoded(1, size_wh=size_wh)
    response = client.post("/score", content=image, headers={"Content-Type": "image/png"})
    assert response.status_code == 200
    assert list(response.json()[0]) == ["boxes"]


@pytest.mark.slow  # the same in process: tests/inference/test_detect.py
def test_a_concurrent_mix_gets_what_each_request_gets_alone(client: httpx.Client) -> None:
    mix: list[dict[str, Any]] = [
        LOW,
        {"box_score_thresh": 0.9},
        {**LOW, "nms_iou_thresh": 0.1},
        {**LOW, "tile_grid_size": "2x2", "tile_overlap_ratio": 0.1},
        {**LOW, "export_as_image": True, "image_type": "png"},
        {**LOW, "max_number_of_polygon_points": 4},
    ]
    bodies = [{"image_base64": TEXT, "settings": settings} for settings in mix]
    alone = [rounded(score(client, body).json()) for body in bodies]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda body: rounded(score(client, body).json()), bodies * 2))
    assert together == alone * 2


def rounded(answer: Any) -> Any:
    """Boxes, labels and scores to 1e-3: sums come in another order in another batch."""
    return [
        (item["label"], round(item["score"], 3), *(round(v, 3) for v in item["box"].values()))
        for item in answer[0]["boxes"]
    ]


def explained(client: httpx.Client, **parameters: Any) -> dict[str, Any]:
    body = {"image_base64": TEXT, "model_explainability": True, "settings": LOW}
    (answer,) = score(client, {**body, "xai_parameters": parameters}).json()
    return answer


def test_chosen_boxes_are_explained_beside_all_boxes(client: httpx.Client) -> None:
    answer = explained(client, boxes=[1], attributions=True)
    pictures, maps = answer["visualizations"], answer["attributions"]
    assert len(pictures) == len(maps) == len(answer["boxes"]) > 2
    assert [i for i, picture in enumerate(pictures) if picture] == [1]
    assert base64.b64decode(pictures[1]).startswith(b"\x89PNG")
    assert [len(maps[1]), len(maps[1][0])] == [90, 120]
    (told,) = answer["explained_boxes"]
    assert (told["index"], told["label"]) == (1, answer["boxes"][1]["label"])
    assert told["box"] == pytest.approx(answer["boxes"][1]["box"], abs=1e-4)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"boxes": [999]}, "999"), ({"xai_algorithm": "integrated_gradients"}, "odam")],
)
def test_an_explanation_that_cannot_be_does_not_cost_the_boxes(
    client: httpx.Client, parameters: dict[str, Any], words: str
) -> None:
    answer = explained(client, **parameters)
    assert list(answer) == ["boxes", "explanation_error"]
    assert words in answer["explanation_error"]["message"]


def test_info_tells_settings_and_task(client: httpx.Client) -> None:
    info = client.get("/info").json()
    assert info["task"] == "image_instance_segmentation"
    assert info["explanations"] == ["odam", "xrai"]
    assert info["settings"]["mask_pixel_score_threshold"] == 0.5


def test_the_document_describes_detections(client: httpx.Client) -> None:
    schemas = client.get("/docs.json").json()["components"]["schemas"]
    assert set(schemas["DetectedObject"]["properties"]) >= {"box", "label", "score", "polygon"}
