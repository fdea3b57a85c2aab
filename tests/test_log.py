"""Logs are one JSON object a line, also those of libraries."""

import io
import json
import logging

import structlog

from aiops import log


def test_every_line_is_json_with_level_and_time() -> None:
    out = io.StringIO()
    log.configure("info", "json", out)
    structlog.get_logger("x").info("candidate_incident", incident="INC-1")
    structlog.get_logger("x").debug("not written")
    logging.getLogger("uvicorn.error").warning("from a library")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["candidate_incident", "from a library"]
    assert lines[0]["incident"] == "INC-1"
    assert all({"level", "timestamp"} <= set(line) for line in lines)


def test_an_exception_is_told_within_its_line() -> None:
    out = io.StringIO()
    log.configure("info", "json", out)
    try:
        raise ValueError("boom")
    except ValueError:
        structlog.get_logger("x").exception("request_failed")
    (line,) = out.getvalue().splitlines()
    assert "boom" in json.loads(line)["exception"]


def test_the_console_is_for_people() -> None:
    out = io.StringIO()
    log.configure("info", "console", out)
    structlog.get_logger("x").info("ready")
    assert "ready" in out.getvalue()
    assert not out.getvalue().startswith("{")
