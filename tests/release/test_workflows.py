"""The workflows of the forge do what make does, and publish only what was checked."""

import re
import tomllib
from typing import Any

import pytest
import yaml
from tests.support import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()


def workflow(name: str) -> Any:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


def needed_by(jobs: dict[str, Any], job: str) -> set[str]:
    """Return all jobs that come before a job."""
    needs = jobs[job].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(needed_by(jobs, other) for other in direct))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_target_and_script_named_exists(file: Any) -> None:
    jobs = yaml.safe_load(file.read_text())["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job.get("steps", ()) if "run" in step]
    text = "\n".join(runs)
    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
    for module in re.findall(r"-m (release\.\w+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file(), module
    for script in re.findall(r"^\.ci/\w+", text, re.MULTILINE):
        assert (ROOT / script).is_file(), script
    # What a stranger can choose, such as a branch's name, reaches a shell as a variable only.
    assert "${{" not in text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_action_has_a_version_and_jobs_may_do_no_more_than_they_need(file: Any) -> None:
    document = yaml.safe_load(file.read_text())
    assert document["permissions"] == {"contents": "read"}
    for job in document["jobs"].values():
        for step in job.get("steps", ()):
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step["uses"])
        assert "timeout-minutes" in job or "uses" in job


def test_all_pythons_promised_are_tested_and_the_wheel_is_tried_on_each() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = {line.split()[-1] for line in project["classifiers"] if ":: Python :: 3." in line}
    jobs = workflow("ci")["jobs"]

    def installed(job: dict[str, Any]) -> list[str]:
        (setup,) = [step for step in job["steps"] if "setup-python" in step.get("uses", "")]
        found: str = setup["with"]["python-version"]
        return found.split()

    assert set(installed(jobs["all"])) == promised
    default = installed(jobs["all"])[-1]  # it runs the tests there
    assert set(jobs["pythons"]["strategy"]["matrix"]["python"]) | {default} == promised
    assert set(installed(workflow("release")["jobs"]["dist"])) == promised


def test_nothing_is_published_before_everything_is_checked() -> None:
    document = workflow("release")
    assert document[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads `on` as true
    jobs = document["jobs"]
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    for job, content in jobs.items():
        if "write" in str(content.get("permissions", "")):
            assert {"ci", "dist"} <= needed_by(jobs, job), job
    assert {"image", "pypi"} <= needed_by(jobs, "release"), "the page comes last"


def test_the_small_image_is_for_both_processors_and_the_sandbox_for_one() -> None:
    built = [
        step["with"]
        for step in workflow("release")["jobs"]["image"]["steps"]
        if "build-push-action" in step.get("uses", "")
    ]
    platforms = {image["target"]: set(image["platforms"].split(",")) for image in built}
    assert platforms == {"service": {"linux/amd64", "linux/arm64"}, "sandbox": {"linux/amd64"}}
    for image in built:
        assert image["sbom"] is True
        assert set(re.findall(r"^(\w+)=", image["build-args"], re.MULTILINE)) == {
            "VERSION",
            "REVISION",
        }
    tags = [tag for image in built for tag in image["tags"].splitlines()]
    assert len(tags) == len(set(tags)) == 4, "no image takes the name of another"
