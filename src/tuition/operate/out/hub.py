"""Publish a folder on the hub: a dry run that sends nothing, and the upload that follows a yes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Record

__all__ = ["Upload", "plan_upload", "upload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload(Record):
    """What is sent to the hub, and where."""

    repo: str
    is_private: bool
    files: tuple[tuple[str, int], ...]
    """Names and bytes."""
    url: str = ""
    """Where it lies now; empty: nothing was sent."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for _, size in self.files)


def plan_upload(folder: Path, repo: str, *, is_private: bool, why_not: Sequence[str]) -> Upload:
    """Say what would be sent, or refuse; nothing is sent."""
    if why_not:
        reasons = "; ".join(why_not)
        raise ConfigError(f"{str(folder)!r} stays here and is not published on the hub: {reasons}.")
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ConfigError(f"--push {repo!r}: {error}") from None
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return Upload(
        repo=repo,
        is_private=is_private,
        files=tuple((path.relative_to(folder).as_posix(), path.stat().st_size) for path in paths),
    )


def upload(folder: Path, planned: Upload) -> Upload:
    """Send what was planned, with the token in `HF_TOKEN`."""
    from httpx2 import HTTPError
    from huggingface_hub import HfApi

    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        raise ConfigError(
            "--push with --yes uploads with the token in the environment variable HF_TOKEN, which is not "
            "set; make one with the right to write on huggingface.co/settings/tokens. Nothing was sent."
        )
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    repo, is_private = planned.repo, planned.is_private
    try:
        made = api.create_repo(repo, private=is_private, exist_ok=True)
        if is_private and not api.model_info(made.repo_id, timeout=30).private:
            raise ConfigError(
                f"the repository {made.repo_id!r} is there already and public; nothing was sent into it. Add "
                "--public if that is meant, or name another one."
            )
        sent = api.upload_folder(
            repo_id=made.repo_id,
            folder_path=folder,
            commit_message="Upload a student of Tuition",
            allow_patterns=[name for name, _ in planned.files],
        )
    except ConfigError:
        raise
    except (OSError, ValueError, HTTPError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise DataError(
            f"the hub did not take {repo!r}: {reason}. Check the name, the token and the network."
        ) from None
    return dataclasses.replace(planned, repo=made.repo_id, url=str(sent.commit_url))
