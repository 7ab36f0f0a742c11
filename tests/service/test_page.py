"""The page /ui without a browser: what is served, under which headers, and what its files name."""

import re
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
import yaml

from serving import page
from tests.service.servers import ROOT

FOLDER = Path(page.__file__).parent
MODULES = sorted(FOLDER.glob("*.js"))
ASSETS = sorted(
    path for path in FOLDER.iterdir() if path.suffix in (".html", ".css", ".js", ".svg")
)
NAMESPACE = "http://www.w3.org/2000/svg"  # a name, which nobody fetches


def name(path: Path) -> str:
    return path.name


class Tags(HTMLParser):
    """The start tags of a document, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def values(self, attribute: str) -> list[str]:
        return [value for _, found in self.found if (value := found.get(attribute)) is not None]


@pytest.fixture(scope="module")
def tags() -> Tags:
    return Tags((FOLDER / "index.html").read_text(encoding="utf-8"))


def test_the_page_is_served_under_a_strict_policy(client: httpx.Client) -> None:
    response = client.get("/ui")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("asset", ASSETS, ids=name)
def test_every_file_is_served_as_what_it_is(client: httpx.Client, asset: Path) -> None:
    response = client.get(f"/ui/{asset.name}")
    assert response.content == asset.read_bytes()
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
    kind = response.headers["Content-Type"].partition(";")[0]
    assert kind == kinds.get(asset.suffix, "image/svg+xml")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_browser_keeps_a_file_until_it_changes(client: httpx.Client) -> None:
    first = client.get("/ui/main.js")
    assert first.headers["Cache-Control"] == "no-cache"
    tag = first.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = client.get("/ui/main.js", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
    assert client.get("/ui/main.js", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/ui/", "/ui/no.js", "/ui/__init__.py", "/ui/../service.py"])
def test_nothing_else_is_served(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code in (307, 404)
    assert b"import" not in response.content


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ui", True),
        ("/ui/main.js", True),
        ("/uix", False),
        ("/score", False),
        ("/info", False),
    ],
)
def test_only_the_page_itself_needs_no_key(path: str, expected: bool) -> None:
    assert page.is_page(path) is expected


def test_a_bento_holds_every_file_of_the_page() -> None:
    build = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    for path in (asset.relative_to(ROOT).as_posix() for asset in ASSETS):
        assert any(fnmatch(path, pattern) for pattern in build["include"])
        assert not any(fnmatch(path, pattern) for pattern in build["exclude"])


@pytest.mark.parametrize("asset", ASSETS, ids=name)
def test_no_file_names_another_host(asset: Path) -> None:
    text = asset.read_text(encoding="utf-8").replace(NAMESPACE, "")
    assert re.findall(r"https?:|\bwss?:|[\"'(]//", text) == []


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_is_small_and_turns_no_text_into_code(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 200
    assert re.findall(r"(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(", text) == []


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_what_a_module_asks_for_exists(module: Path, tags: Tags) -> None:
    text = module.read_text(encoding="utf-8")
    assert set(re.findall(r'byId\("([^"]+)"\)', text)) <= set(tags.values("id"))
    for names, source in re.findall(r'import \{([^}]*)\} from "\./([^"]+)"', text):
        exported = set(
            re.findall(
                r"export (?:async )?(?:function|class|const) (\w+)",
                (FOLDER / source).read_text(encoding="utf-8"),
            )
        )
        assert {part.strip() for part in names.split(",")} - {""} <= exported


def test_the_document_holds_no_code_and_labels_every_field(tags: Tags) -> None:
    ids = tags.values("id")
    assert len(ids) == len(set(ids))
    for tag, attributes in tags.found:
        assert not [key for key in attributes if key.startswith("on") or key == "style"]
        assert tag != "style"
        assert tag != "script" or attributes.get("src")
    fields = [a for tag, a in tags.found if tag in ("input", "select") and a.get("id")]
    assert {field["id"] for field in fields} <= set(tags.values("for"))


def test_every_file_that_the_document_names_is_there(tags: Tags) -> None:
    named = {link.removeprefix("ui/") for link in tags.values("href") + tags.values("src")}
    assert named - {"./"} <= {asset.name for asset in ASSETS}
