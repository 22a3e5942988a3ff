"""A student as the hub wants it: the card, what forbids to publish it, the upload to a server of ours."""

import base64
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from loopback import served
from tuition.cli.exchange import export_replies as export
from tuition.core.errors import ConfigError, DataError
from tuition.operate.student import Student

LICENCES = [
    ("README.md", "---\nlicense: cc-by-4.0\n---\n# A model\n", "cc-by-4.0"),
    ("README.md", "---\nlicense: other\nlicense_name: my-terms\n---\n", "my-terms"),
    ("README.md", "---\nlicense: unknown\n---\n", ""),
    ("LICENSE", "   Apache License\n   Version 2.0, January 2004\n", "apache-2.0"),
    ("LICENSE.txt", "MIT License\n\nPermission is hereby granted, free of charge, to any person", "mit"),
    ("LICENSE", "All rights reserved.", ""),
]


def edited(run, folder, old, new):
    """A copy of a run with another configuration."""
    shutil.copytree(run, folder)
    path = folder / "config.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return folder


class TestFolder:
    @pytest.fixture
    def out(self, run):
        export(run, form="hf", out=Path("out"))
        return Path("out")

    def test_it_is_the_student_and_a_card(self, run, out):
        for path in (run / "student").iterdir():
            assert (out / path.name).read_bytes() == path.read_bytes()
        assert {path.name for path in out.iterdir()} - {
            path.name for path in (run / "student").iterdir()
        } == {"README.md"}
        assert Student.load(out).answer("Is it?") == Student.load(run).answer("Is it?")

    def test_the_head_is_what_the_hub_reads(self, run, out):
        data = ModelCard.load(out / "README.md").data
        assert (data.license, data.library_name, data.pipeline_tag) == (
            *("apache-2.0", "transformers", "text-generation"),
        )
        assert data.tags == ["tuition", "distillation", "hf"]
        metrics = json.loads((run / "metrics.json").read_text())
        assert [(one.dataset_split, one.metric_type, one.metric_value) for one in data.eval_results] == [
            (split, "accuracy", round(metrics[split]["accuracy"], 4)) for split in ("valid", "test")
        ]
        head = yaml.safe_load((out / "README.md").read_text().split("---")[1])
        assert head["model-index"][0]["name"] == "run"

    def test_it_says_whose_texts_taught_it(self, out):
        text = (out / "README.md").read_text()
        assert "- `ada` (playground, model `ada`): licence and terms not stated" in text
        assert "The teachers are programs, not language models." in text
        assert str(Path.cwd()) not in text

    @pytest.mark.parametrize("given", ["run", "t5_run", "apart_run"])
    def test_its_code_runs(self, given, request, capsys):
        out = Path("out")
        export(request.getfixturevalue(given), form="hf", out=out)
        [code] = re.findall(r"```python\n(.*?)```", (out / "README.md").read_text(), re.DOTALL)
        shown = json.loads((out / "tuition.json").read_text())["example"]
        capsys.readouterr()
        exec(code.replace('folder = "."', f'folder = "{out}"'), {})
        said = Student.load(out).answer(shown["question"], shown["choices"], context=shown["context"]).text
        assert capsys.readouterr().out.strip() == said.strip()

    def test_a_hub_name_of_the_base_model_goes_into_the_head(self, run):
        export(run, form="hf", out=Path("named"), base_model="me/base")
        assert ModelCard.load(Path("named/README.md")).data.base_model == "me/base"

    def test_nothing_is_written_over(self, run, out):
        with pytest.raises(ConfigError, match="'out' exists; name another folder with --out"):
            export(run, form="hf", out=out)
        export(run, form="hf")
        assert (Path("run-hf") / "model.safetensors").exists()

    def test_a_student_without_its_run_has_no_figures(self, run, tmp_path):
        shutil.copytree(run / "student", "alone")
        export(Path("alone"), form="hf", license="MIT")
        card = ModelCard.load(Path("alone-hf/README.md"))
        assert (card.data.license, card.data.eval_results) == ("mit", None)
        assert "its run was not at hand, so there are no figures here" in card.text
        assert "Whose texts taught it is not known here." in card.text

    def test_a_student_of_an_old_version_is_refused(self, run):
        shutil.copytree(run / "student", "old")
        Path("old/tuition.json").unlink()
        with pytest.raises(
            DataError, match=r"'old' has no tuition.json, which says how the student is asked"
        ):
            export(Path("old"), form="hf")

    def test_an_unknown_form_is_told_with_its_neighbour(self, run):
        with pytest.raises(ConfigError, match="unknown form 'gguff'; did you mean 'gguf'"):
            export(run, form="gguff")
        with pytest.raises(ConfigError, match="--form trl writes what the teachers wrote: name its file"):
            export(run, form="trl")


@pytest.mark.parametrize(("name", "text", "licence"), LICENCES)
def test_the_licence_is_that_of_the_base_model(run, tmp_path, name, text, licence):
    base = tmp_path / "a-model"
    base.mkdir()
    (base / name).write_text(text)
    other = edited(run, tmp_path / "other", 'model = "base"', f'model = "{base}"')
    export(other, form="hf", out=Path("out"))
    card = ModelCard.load(Path("out/README.md"))
    known = licence in ("", "my-terms")
    assert card.data.license == (licence if not known else "other" if licence else "unknown")
    assert card.data.get("license_name") == (licence if licence == "my-terms" else None)
    assert ("License: unknown. Do not publish it so." in card.text) == (licence == "")
    assert Path("out", name).exists() == name.startswith("LICENSE") or name == "README.md"
    assert "began as `a-model`" in card.text


class Hub:
    """As much of the hub as an upload of small files needs; it keeps every request."""

    def __init__(self, *, is_private=True):
        self.requests, self.files, self.is_private = [], {}, is_private
        paths = {
            ("POST", "/api/repos/create"): self.create,
            ("POST", "/api/validate-yaml"): self.validate,
            ("GET", "/api/models/{owner}/{name}"): self.info,
            ("POST", "/api/models/{owner}/{name}/preupload/main"): self.preupload,
            ("POST", "/api/models/{owner}/{name}/commit/main"): self.commit,
        }
        routes = [Route(path, to, methods=[method]) for (method, path), to in paths.items()]
        self.app = Starlette(routes=[*routes, Route("/{path:path}", self.other, methods=["GET", "POST"])])

    async def read(self, request):
        body = await request.body()
        self.requests.append((request.method, request.url.path, request.headers.get("authorization")))
        return [json.loads(line) for line in body.splitlines() if line]

    async def create(self, request):
        [self.created] = await self.read(request)
        owner = self.created.get("organization") or "me"
        return JSONResponse({"url": f"{request.base_url!s}{owner}/{self.created['name']}"})

    async def validate(self, request):
        [self.validated] = await self.read(request)
        return JSONResponse({"errors": [], "warnings": []})

    async def info(self, request):
        await self.read(request)
        name = "{owner}/{name}".format(**request.path_params)
        return JSONResponse(
            {"id": name, "private": self.is_private, "siblings": [], "tags": [], "sha": "0" * 40}
        )

    async def preupload(self, request):
        [asked] = await self.read(request)
        files = [
            {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked["files"]
        ]
        return JSONResponse({"files": files})

    async def commit(self, request):
        for line in await self.read(request):
            if line["key"] == "file":
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        url = f"{request.base_url}me/student/commit/{'0' * 40}"
        return JSONResponse({"success": True, "commitUrl": url, "commitOid": "0" * 40})

    async def other(self, request):
        await self.read(request)
        return JSONResponse({"error": "no such thing"}, status_code=404)


class TestPush:
    @pytest.fixture
    def hub(self, monkeypatch):
        hub = Hub()
        with served(hub.app, path="") as address:
            monkeypatch.setenv("HF_ENDPOINT", address)
            monkeypatch.setenv("HF_TOKEN", "hf_secret")
            yield hub

    def test_a_dry_run_sends_nothing(self, run, hub, capsys):
        export(run, form="hf", out=Path("out"), push="me/student")
        said = capsys.readouterr().out
        assert hub.requests == []
        size = sum(path.stat().st_size for path in Path("out").iterdir())
        assert f"me/student, private: 8 files, {size:,} bytes" in said
        assert "model.safetensors" in said
        assert "A dry run: nothing was sent. Add --yes to upload it." in said

    def test_with_yes_it_is_uploaded_and_private(self, run, hub, capsys):
        export(run, form="hf", out=Path("out"), push="me/student")
        card = Path("out/README.md")
        card.write_text(card.read_text() + "\nMy own words.\n")
        export(run, form="hf", out=Path("out"), push="me/student", yes=True)
        assert (hub.created["name"], hub.created["visibility"]) == ("student", "private")
        assert {who for _, _, who in hub.requests} == {"Bearer hf_secret"}
        assert hub.validated == {"repoType": "model", "content": card.read_text()}
        assert hub.files == {path.name: path.read_bytes() for path in Path("out").iterdir()}
        said = capsys.readouterr().out
        assert "Left as it is: out" in said and "Uploaded: http://127.0.0.1" in said
        assert "hf_secret" not in said

    def test_public_is_said(self, run, hub):
        export(run, form="hf", push="me/student", yes=True, public=True)
        assert hub.created["visibility"] == "public"
        assert len(hub.files) == 8

    def test_nothing_private_goes_into_a_public_repository(self, run, hub):
        hub.is_private = False
        with pytest.raises(ConfigError, match="'me/student' is there already and public; nothing was sent"):
            export(run, form="hf", push="me/student", yes=True)
        assert hub.files == {}

    def test_without_a_token_nothing_is_sent(self, run, hub, monkeypatch):
        monkeypatch.delenv("HF_TOKEN")
        with pytest.raises(ConfigError, match="environment variable HF_TOKEN, which is not set"):
            export(run, form="hf", push="me/student", yes=True)
        assert hub.requests == []

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ("train_on_outputs = true", "train_on_outputs = false", "'ada' has train_on_outputs = false"),
            ('kind = "playground"\nname', 'kind = "chat"\nname', "the licence of teacher 'ada' is not known"),
            (
                'model = "base"',
                'model = "fresh:llama-nano"',
                "its licence is not known: name it with --license",
            ),
        ],
    )
    def test_what_may_not_be_published_stays_here(self, run, tmp_path, hub, old, new, words):
        other = edited(run, tmp_path / "other", old, new)
        for yes in (False, True):
            with pytest.raises(ConfigError, match=rf"stays here and is not published on the hub: .*{words}"):
                export(other, form="hf", out=Path("out"), push="me/student", yes=yes)
        assert hub.requests == []

    def test_a_student_whose_teachers_are_not_known_stays_here(self, run, hub):
        shutil.copytree(run / "student", "alone")
        with pytest.raises(ConfigError, match="whose texts taught it is not known: name its run folder"):
            export(Path("alone"), form="hf", push="me/student", license="mit")

    def test_the_questions_of_the_examination_stay_here(self, run, hub):
        with pytest.raises(ConfigError, match="it holds the questions of the examination"):
            export(run, form="lm-eval", push="me/task", yes=True)
        assert hub.requests == []

    @pytest.mark.parametrize("repo", ["a/b/c", "no space", "-x"])
    def test_a_name_that_the_hub_would_refuse_is_refused_here(self, run, hub, repo):
        with pytest.raises(ConfigError, match=f"--push '{repo}': "):
            export(run, form="hf", push=repo, yes=True)
        assert hub.requests == []

    def test_another_folder_is_not_uploaded(self, run, hub):
        Path("out").mkdir()
        Path("out/secrets.txt").write_text("mine")
        with pytest.raises(ConfigError, match="'out' exists; name another folder"):
            export(run, form="hf", out=Path("out"), push="me/student", yes=True)
        assert hub.requests == []

    def test_a_refusal_of_the_hub_is_one_sentence(self, run, hub, monkeypatch):
        with served(Starlette(), path="") as address:
            monkeypatch.setenv("HF_ENDPOINT", address)
            with pytest.raises(DataError, match="the hub did not take 'me/student': "):
                export(run, form="hf", push="me/student", yes=True)

    def test_what_teachers_wrote_is_not_pushed(self, run, hub):
        with pytest.raises(ConfigError, match="leave --push out; `hf upload` publishes a data set"):
            export(run, form="trl", out=Path("out.jsonl"), push="me/data", yes=True)
        assert hub.requests == []
