"""The page /ui of a detector with masks, in a real browser."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.e2e.browsers import CHROMIUM, Visitor
from tests.inference.images import encoded
from tests.model_folders import write_detector_folder
from tests.service.servers import running_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the PATH"),
]
PHOTO = encoded(0, size_wh=(120, 90))
SETTINGS = {"min_size": 64, "max_size": 128, "box_score_thresh": 0.05, "export_as_image": True}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    family = "maskrcnn_resnet18_fpn"
    folder = write_detector_folder(home / "model", family=family, settings=SETTINGS)
    arguments = (f"model={folder.path}", "device=cpu", "engine=torch")
    with running_server(*arguments, home=home) as server:
        yield server.url


@pytest.fixture
def visitor(browser: Browser, url: str) -> Iterator[Visitor]:
    """A visitor who has got an answer and must have nothing to complain about."""
    visitor = Visitor(browser, url).open()
    visitor.connected()
    visitor.choose(PHOTO)
    visitor.has("#status", "×")
    yield visitor
    assert visitor.complaints == []
    visitor.context.close()


def rows(visitor: Visitor) -> int:
    return visitor.page.locator("tbody tr").count()


def answered(visitor: Visitor, change: Any) -> tuple[dict[str, Any], list[Any]]:
    """Make a change; return the settings of the request that it caused, and the boxes."""
    with visitor.page.expect_response("**/score") as caught:
        change()
    (answer,) = caught.value.json()
    return json.loads(caught.value.request.post_data or "").get("settings", {}), answer["boxes"]


def test_objects_are_drawn_and_listed(visitor: Visitor) -> None:
    page, count = visitor.page, rows(visitor)
    assert count > 3
    for selector in ("#shapes .outline", "#shapes .mask", "#chips .chip"):
        assert page.locator(selector).count() == count
    assert page.locator("#shapes .mask").first.get_attribute("d").startswith("M0.")
    assert visitor.serious_findings() == []
    assert visitor.layout_shift() < 0.02


def test_controls_start_at_the_servers_settings(visitor: Visitor) -> None:
    page = visitor.page
    assert page.input_value("#set-box_score_thresh") == "0.05"
    assert page.input_value("#set-tile_grid_size") == "none"
    assert page.locator("#set-tile_overlap_ratio").is_disabled()
    assert page.locator("#reset").is_disabled()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("box_score_thresh", "0.4", 0.4),
        ("nms_iou_thresh", "0.1", 0.1),
        ("box_detections_per_img", "2", 2),
        ("mask_pixel_score_threshold", "0.3", 0.3),
        ("max_number_of_polygon_points", "4", 4),
    ],
)
def test_a_slider_scores_again(visitor: Visitor, name: str, text: str, value: float) -> None:
    settings, boxes = answered(visitor, lambda: visitor.slide(name, text))
    assert settings == {"export_as_image": False, name: value}
    visitor.has("#status", "×" if boxes else "No objects")
    assert rows(visitor) == len(boxes)
    settings, _ = answered(visitor, lambda: visitor.page.click("#reset"))
    assert settings == {"export_as_image": False}


@pytest.mark.parametrize("grid", ["auto", "2x2"])
def test_tiles_unlock_what_belongs_to_them(visitor: Visitor, grid: str) -> None:
    page = visitor.page
    settings, _ = answered(visitor, lambda: page.select_option("#set-tile_grid_size", grid))
    assert settings["tile_grid_size"] == grid
    settings, _ = answered(visitor, lambda: visitor.slide("tile_overlap_ratio", "0.5"))
    assert settings["tile_overlap_ratio"] == 0.5


def test_a_setting_that_the_server_refuses_is_told_and_shows_no_old_boxes(
    visitor: Visitor,
) -> None:
    visitor.choose(encoded(1, size_wh=(10, 8)))
    visitor.has("#status", re.compile("×|No objects"))
    visitor.page.select_option("#set-tile_grid_size", "4x3")
    visitor.has("#notice", "The server refuses this request")
    visitor.has("#notice", "4x3 cuts this image")
    assert rows(visitor) == 0


def test_of_many_steps_of_a_slider_only_the_last_is_shown(visitor: Visitor) -> None:
    requests: list[str] = []
    visitor.page.on("request", lambda request: requests.append(request.url))
    for step in range(1, 20):
        visitor.slide("box_detections_per_img", str(20 - step))
    visitor.has("#status", "1 ×")
    assert rows(visitor) == 1
    assert len([one for one in requests if one.endswith("/score")]) < 10


def test_a_click_on_a_box_explains_it(visitor: Visitor) -> None:
    page = visitor.page
    page.locator("#shapes .outline").last.click(force=True)
    visitor.has("#status", "by odam")
    visitor.has("#status", "Explained object")
    assert page.locator("#heat").is_visible()
    assert page.locator("tr.active").count() == 1
    assert page.locator("#shapes g.active").count() == 1
    page.select_option("#method", "xrai")
    visitor.has("#status", "by xrai")
    visitor.has("#status", "Explained object")


def test_the_table_explains_by_keyboard(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("button", name="Explain object 2,").focus()
    page.keyboard.press("Enter")
    visitor.has("#status", "Explained object 2")
    settings, _ = answered(visitor, lambda: visitor.slide("nms_iou_thresh", "0.3"))
    assert settings["nms_iou_thresh"] == 0.3
    assert not page.locator("#heat").is_visible()  # objects may have other places now
