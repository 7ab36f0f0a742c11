"""What `render` writes, against the official schemas and against what our server promises."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.errors import UsageError
from deploy.validation import check_file, problems
from serving.arguments import Arguments
from serving.keys import VARIABLE
from tests.deploy.commands import A_AND_B, deploy, render
from tests.deploy.servers import ROOT, free_port

ALL_OPTIONS = (
    *("--gpu", "--replicas", "3", "--max-replicas", "9", "--cpus", "4", "--memory-gb", "16"),
    *("--hostname", "score.example.org", "--gateway", "net/edge", "--allow-from", "net"),
    *("--image", "a=registry.example.org/sightline:1", "--grace-s", "60", "--queue-target", "2"),
)


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def of_kind(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [found for found in documents(folder / "models.yaml") if found["kind"] == kind]


@pytest.mark.parametrize("options", [(), ALL_OPTIONS, ("--without-keys",)], ids=["", "all", "open"])
@pytest.mark.parametrize("kserve", [(), ("--kserve",)], ids=["plain", "kserve"])
def test_kubernetes_files_are_valid(
    tmp_path: Path, options: tuple[str, ...], kserve: tuple[str, ...]
) -> None:
    render("kubernetes", *A_AND_B, *options, *kserve, output=tmp_path)
    assert sum(check_file(path) for path in tmp_path.glob("*.yaml")) == (1 if kserve else 10)


@pytest.mark.parametrize("options", [(), ("--gpu",), ("--shadow", "b=10"), ("--replicas", "2")])
def test_compose_files_are_valid(tmp_path: Path, options: tuple[str, ...]) -> None:
    render("compose", *A_AND_B, "--port", str(free_port()), *options, output=tmp_path)
    assert check_file(tmp_path / "compose.yaml") == 1


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"services": {"a": {"imge": "x"}}}, "imge"),
        ({"apiVersion": "v1", "kind": "Service", "spec": {"portz": []}}, "portz"),
        ({"apiVersion": "example.org/v1", "kind": "Thing"}, "there is no schema for Thing"),
        ({}, "there is no schema for ?"),
        ({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}, "spec"),
    ],
)
def test_a_wrong_document_is_refused(document: dict[str, Any], problem: str) -> None:
    assert problem in " ".join(problems(document))


def test_check_names_the_file_and_the_mistake(tmp_path: Path) -> None:
    render("kubernetes", *A_AND_B, output=tmp_path)
    path = tmp_path / "httproute.yaml"
    path.write_text(path.read_text().replace("weight: 90", "wieght: 90"))
    with pytest.raises(UsageError, match=r"httproute.yaml: HTTPRoute spec/rules/0.*wieght"):
        deploy("check", output=tmp_path)
    with pytest.raises(UsageError, match="holds no YAML file"):
        deploy("check", output=tmp_path / "empty")


def test_pods_stop_after_the_server_has_had_its_grace_time(tmp_path: Path) -> None:
    defaults = Arguments(model="any")
    render("kubernetes", *A_AND_B, output=tmp_path)
    for found in of_kind(tmp_path, "Deployment"):
        pod = found["spec"]["template"]["spec"]
        pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] > pause + defaults.grace_s


def test_probes_ask_what_the_server_answers(tmp_path: Path) -> None:
    render("kubernetes", *A_AND_B, output=tmp_path)
    container = of_kind(tmp_path, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
    paths = {
        name: container[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


def test_selectors_tell_the_models_apart(tmp_path: Path) -> None:
    render("kubernetes", *A_AND_B, output=tmp_path)
    pods = [
        found["spec"]["template"]["metadata"]["labels"] for found in of_kind(tmp_path, "Deployment")
    ]
    for kind in ("Service", "PodDisruptionBudget"):
        for labels, found in zip(pods, of_kind(tmp_path, kind), strict=True):
            selector = found["spec"]["selector"]
            assert selector.get("matchLabels", selector) == labels
    assert pods[0] != pods[1]


def test_keys_come_from_a_secret_unless_told_otherwise(tmp_path: Path) -> None:
    for name, options in (("keys", ()), ("open", ("--without-keys",))):
        render("kubernetes", *A_AND_B, *options, output=tmp_path / name)
        render("compose", *A_AND_B, "--port", str(free_port()), *options, output=tmp_path / name)
    with_keys, without = (
        (tmp_path / name / "models.yaml").read_text() for name in ("keys", "open")
    )
    assert f"name: {VARIABLE}\n" in with_keys
    assert "secretKeyRef" in with_keys
    assert VARIABLE not in without
    assert "keys.env" in (tmp_path / "keys" / "compose.yaml").read_text()
    assert "keys.env" not in (tmp_path / "open" / "compose.yaml").read_text()


def test_the_autoscaler_reads_a_metric_that_the_server_has(tmp_path: Path) -> None:
    render("kubernetes", *A_AND_B, output=tmp_path)
    (metric,) = of_kind(tmp_path, "HorizontalPodAutoscaler")[0]["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    source = (ROOT / "serving" / "metrics.py").read_text(encoding="utf-8")
    assert f'_gauge("{name.removeprefix("sightline_")}"' in source


@pytest.mark.parametrize(
    ("weights", "canary"),
    [(("a=100",), None), (("a=90", "b=10"), 10), (("a=100", "b=0"), 0), (("a=0", "b=100"), None)],
)
def test_the_canary_is_the_newest_model(
    tmp_path: Path, weights: tuple[str, ...], canary: int | None
) -> None:
    words = [word for weight in weights for word in ("--model", weight)]
    render("kubernetes", "--kserve", *words, output=tmp_path)
    (service,) = documents(tmp_path / "inferenceservice.yaml")
    predictor = service["spec"]["predictor"]
    assert predictor.get("canaryTrafficPercent") == canary
    assert predictor["containers"][0]["image"] == f"sightline-{weights[-1][0]}"


def test_the_shadow_is_compared_with_the_busiest_other_model(tmp_path: Path) -> None:
    models = ("--model", "a=10", "--model", "b=90", "--model", "c=0")
    render("compose", *models, "--shadow", "c=5", "--port", str(free_port()), output=tmp_path)
    (document,) = documents(tmp_path / "compose.yaml")
    comparer = document["services"]["comparer"]
    assert comparer["image"] == "sightline-b"
    assert comparer["entrypoint"][-3:] == ["http://b:3000", "--candidate", "http://c:3000"]
    mounted = comparer["volumes"][0].split(":")[0]
    assert (tmp_path / mounted).resolve() == ROOT / "deploy"


@pytest.mark.parametrize(
    ("target", "words", "message"),
    [
        ("swarm", A_AND_B, "unknown target 'swarm'; the targets are compose, kubernetes, nginx"),
        ("compose", ("--model", "a=99"), "weights must sum to 100, but a=99 is 99"),
        ("compose", (*A_AND_B, "--image", "c=x"), "unknown model 'c'; the models are a, b"),
        ("compose", (*A_AND_B, "--port", "70000"), "port: .* 65535, got 70000"),
        ("compose", (*A_AND_B, "--replicas", "0"), "replicas: .*, got 0"),
        ("compose", (*A_AND_B, "--kserve"), "--kserve is for --target kubernetes, not compose"),
        ("compose", (*A_AND_B, "--server", "a=h:1"), "--server is for --target nginx"),
        ("compose", (*A_AND_B, "--gpu", "--replicas", "2"), "the same GPU: replicas is 1"),
        ("compose", (*A_AND_B, "--shadow", "c=1"), "unknown model 'c'"),
        ("compose", (*A_AND_B, "--shadow", "b=101"), "percent: .*, got '101'"),
        ("compose", ("--model", "a=100", "--shadow", "a=1"), "needs another model"),
        ("kubernetes", (*A_AND_B, "--shadow", "b=1"), "--shadow is for --target compose and nginx"),
        ("kubernetes", (*A_AND_B, "--max-replicas", "1"), "max_replicas 1 is below replicas 2"),
        ("kubernetes", (*A_AND_B, "--gateway", "edge"), "gateway: .*, got 'edge'"),
        (
            "kubernetes",
            ("--kserve", "--model", "a=50", "--model", "b=50", "--model", "c=0"),
            "got 3",
        ),
        ("nginx", A_AND_B, "--target nginx needs --server a=HOST:PORT"),
        (
            "nginx",
            (*A_AND_B, "--server", "a=h:1", "--server", "b=h:2", "--shadow", "b=1"),
            "--shadow needs --comparer HOST:PORT",
        ),
    ],
)
def test_a_mistake_writes_nothing(
    tmp_path: Path, target: str, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        render(target, *words, output=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_port_in_use_is_an_error_unless_it_is_that_of_the_proxy_before(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        port = str(taken.getsockname()[1])
        taken.listen()
        with pytest.raises(UsageError, match=f"port {port} cannot be used .*--port"):
            render("compose", *A_AND_B, "--port", port, output=tmp_path)
    render("compose", *A_AND_B, "--port", port, output=tmp_path)
    with socket.socket() as proxy:
        proxy.bind(("", int(port)))
        proxy.listen()
        render("compose", *A_AND_B, "--port", port, output=tmp_path)


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy", "render", "--target", "compose", "--model", "a=9"]
    ran = subprocess.run(
        [*command, "--output", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "error: weights must sum to 100, but a=9 is 9\n"


def test_the_state_says_what_was_rendered(tmp_path: Path) -> None:
    render("kubernetes", *A_AND_B, output=tmp_path)
    state = json.loads((tmp_path / "deployment.json").read_text())
    assert [(model["name"], model["weight"]) for model in state["models"]] == [("a", 90), ("b", 10)]
