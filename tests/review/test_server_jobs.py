"""Long work tells how it goes: a refit, the model's words, the copy of a video, an export."""

from __future__ import annotations

import json
from pathlib import Path

from results_folder import make_clip
from server_parts import (
    EVENT,
    REFIT,
    TOKEN,
    VIDEO,
    SayingModel,
    heard,
    make_desk,
    running,
)


def test_jobs_tell_how_they_go(tmp_path: Path) -> None:
    video = make_clip(tmp_path / "a.mkv")
    desk = make_desk({VIDEO: video}, tmp_path / "cache", model=SayingModel())
    with running(desk) as server, server.client(token=TOKEN) as client:
        job = client.post("/api/refits").json()["job"]
        assert ("done", {"result_id": REFIT}) in [(k, json.loads(v)) for k, v in heard(client, job)]

        job = client.post(f"/api/events/{EVENT}/explain").json()["job"]
        said = [json.loads(v) for kind, v in heard(client, job) if kind == "words"]
        assert [one["of"] for one in said] == ["event", "normal"]
        assert client.get(f"/api/events/{EVENT}").json()["explanation"] == said[0]["text"]

        waiting = client.get(f"/api/videos/{VIDEO}/media")
        assert waiting.status_code == 202
        assert heard(client, waiting.json()["job"])[-1][0] == "done"
        played = client.get(f"/api/videos/{VIDEO}/media", headers={"Range": "bytes=4-7"})
        assert (played.status_code, played.content) == (206, b"ftyp")
        picture = client.get(f"/api/events/{EVENT}/thumbnails/4.jpg")
        assert picture.content[:2] == b"\xff\xd8"

        job = client.post("/api/exports", json={"format": "csv"}).json()["job"]
        done = json.loads(heard(client, job)[-1][1])
        assert done["left_out"] == ["gone.mp4: there is no such file"], "its folder is not told"
        made = done["result_id"]
        assert client.get(f"/api/exports/{made}/file").text == "id\n"
