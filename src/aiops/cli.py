"""The command line: parse, call, show. Exit codes: 0 done, 1 it failed, 2 the input or a setting is wrong."""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    MofNCompleteColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

import aiops
from aiops import log, similar_commands, ticket_commands
from aiops.config import load
from aiops.errors import InputError
from aiops.terminal import ConfigOption, err, errors_told, loaded, out, progress_bar

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
bench_app = typer.Typer(no_args_is_help=True, help="Measure speed and memory; one JSON object each.")
app.add_typer(bench_app, name="bench")
app.command()(ticket_commands.triage)
app.command()(similar_commands.similar)
app.command()(similar_commands.index)
bench_app.command("similar")(similar_commands.bench_similar)
bench_app.command("triage")(ticket_commands.bench_triage)
bench_app.command("desk")(ticket_commands.bench_desk)
BACKTEST_REPORT = Path("backtest.html")
LabelOption = Annotated[list[str] | None, typer.Option(help="column that tells series apart; may be repeated")]
TimeColumnOption = Annotated[str, typer.Option(help="column of times, where it is not called timestamp")]
ValueColumnOption = Annotated[str, typer.Option(help="column of values, where it is not called value")]


@app.callback(invoke_without_command=True)
def main(version: Annotated[bool, typer.Option("--version", help="print the version and stop")] = False) -> None:
    """Self-hosted AIOps: metrics in; scores, alerts and candidate incidents out."""
    if version:
        out.print(aiops.__version__)
        raise typer.Exit


@app.command()
def serve(
    config: ConfigOption = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="instead of server.port; 0 = any free one")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="instead of server.data_dir")] = None,
) -> None:
    """Run the service until it is told to stop (SIGTERM, Ctrl-C)."""
    # before numpy is loaded: its products here are small, and where fewer cores are granted than seen, further threads
    # burn the time they wait
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from aiops.api.server import data_folder, listen, make_server  # not needed to score a file

    with errors_told():
        settings = loaded(config).settings
        given = {"port": port, "data_dir": data_dir}
        update = {key: value for key, value in given.items() if value is not None}
        settings = settings.model_copy(update={"server": settings.server.model_copy(update=update)})
        with data_folder(settings), listen(settings) as listener:
            server = make_server(settings)
            host, chosen = listener.getsockname()[:2]
            sys.stdout.write(f"aiops {aiops.__version__} listens on http://{host}:{chosen}\n")
            sys.stdout.flush()
            server.run(sockets=[listener])


@app.command()
def config(config: ConfigOption = None) -> None:
    """Show every setting in force, where it comes from, and what happens at it. Secrets are hidden."""
    from aiops.service import check

    with errors_told():
        found = load(config, os.environ)
        check(found.settings)
        for key, value, origin, meaning in found.rows():
            line = Text.assemble((key, "bold"), f" = {value}  ", (f"# {origin}; {meaning}", "dim"))
            out.print(line, soft_wrap=True)  # one whole line a setting, to copy and to grep


@app.command()
def score(
    files: Annotated[list[Path], typer.Argument(help="CSV, Parquet, or folders of them; - is CSV from standard input")],
    to: Annotated[Path | None, typer.Option("--out", help="file, or folder for several; - is standard output")] = None,
    label: LabelOption = None,
    time_column: TimeColumnOption = "",
    value_column: ValueColumnOption = "",
    skip_bad_rows: Annotated[bool, typer.Option(help="score the rest; bad rows keep empty scores")] = False,
    config: ConfigOption = None,
) -> None:
    """Score files of samples: timestamp, value, and a series column or label columns; rows in any order.

    Adds score, expected, lower, upper, anomalous, alert and kind to every row; other columns pass through.
    """
    from aiops.metrics.table_file import read_table
    from aiops.score import STDIN, Tally, plan, score_file

    with errors_told():
        settings = load(config, os.environ).settings.detection
        pairs = plan(files, to)
        tally = Tally(settings.warm_up_samples)
        with progress_bar(MofNCompleteColumn()) as progress:
            task = progress.add_task("scoring", total=len(pairs))
            for source, place in pairs:
                given = None if source == STDIN else source
                table = read_table(given, label or (), skip_bad_rows, time_column, value_column)
                tally += score_file(table, place, settings)
                for complaint in table.complaints:
                    err.print(escape(f"skipped: {complaint}"), highlight=False, soft_wrap=True)
                progress.advance(task)
        for sentence in tally.sentences():
            err.print(escape(sentence), highlight=False, soft_wrap=True)
        if tally.is_poor:
            err.print(f"[bold yellow]warning:[/] {escape(tally.advice())}", highlight=False, soft_wrap=True)


@app.command()
def backtest(
    files: Annotated[list[Path] | None, typer.Argument(help="CSV, Parquet, or folders of them")] = None,
    prometheus: Annotated[str | None, typer.Option(help="URL of a Prometheus to take the history from")] = None,
    match: Annotated[str, typer.Option(help="which series of it")] = '{__name__!=""}',
    days: Annotated[float, typer.Option(min=0.001, max=400, help="how many days of it")] = 30,
    step: Annotated[float, typer.Option(min=0, help="seconds between samples of it; 0 = as they were scraped")] = 0,
    header: Annotated[list[str] | None, typer.Option(help="'NAME: VALUE' sent to it; may be repeated")] = None,
    bearer_file: Annotated[Path | None, typer.Option(help="file with the token it asks for")] = None,
    known: Annotated[
        Path | None, typer.Option(help="CSV of incidents that really were: start, end, and perhaps name, series")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="write words, tables and pictures to this .html")] = None,
    chart: Annotated[Path | None, typer.Option(help="write the pictures alone to this .svg")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="write everything to this file")] = None,
    pictures: Annotated[int, typer.Option(min=0, max=500, help="series drawn, the strangest first")] = 12,
    label: LabelOption = None,
    time_column: TimeColumnOption = "",
    value_column: ValueColumnOption = "",
    skip_bad_rows: Annotated[bool, typer.Option(help="replay the rest")] = False,
    config: ConfigOption = None,
) -> None:
    """Replay a history through the service and show what would have alerted, before trusting it.

    On a terminal, where none of --report, --chart and --json is given, the report is written to backtest.html.
    """
    from aiops.backtest import report as reported
    from aiops.backtest.known import read_known
    from aiops.backtest.prometheus import PrometheusHistory, headers_of
    from aiops.backtest.replay import replay
    from aiops.metrics.table_file import read_table

    with errors_told(), tempfile.TemporaryDirectory(prefix="aiops-backtest-") as folder:
        settings = load(config, os.environ).settings.with_data_in(Path(folder))
        log.configure("error", settings.log.format)
        if not (report or chart or as_json) and out.is_terminal:
            report = BACKTEST_REPORT
        written = [path for path in (report, chart) if path]
        for path in written:
            reported.check(path)
        reported.check_apart([*written, *([as_json] if as_json else [])], [*(files or []), *([known] if known else [])])
        incidents = read_known(known) if known else []
        if files and prometheus:
            raise InputError("replay files or --prometheus, not both at once")
        if prometheus:
            now_s, headers = time.time(), headers_of(header or [], bearer_file)
            history: Any = PrometheusHistory(prometheus, match, now_s - days * 86_400, now_s, step, headers)
        elif files:
            how = (label or (), skip_bad_rows, time_column, value_column)
            history = _read_history(files, lambda file: read_table(file, *how))
        else:
            raise InputError("say what to replay: files, or --prometheus URL")
        with progress_bar(TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.fields[shown]}")) as progress:
            task = progress.add_task("replaying", total=1.0, shown="the first start compiles for half a minute")

            def progressed(samples: int, time_ms: int, done: float) -> None:
                progress.update(task, completed=done, shown=f"{_minute(time_ms)}, {samples:,} samples")

            result = replay(history, settings, incidents, progressed)
            if written:
                progress.update(task, description="drawing", total=None, shown=f"{pictures} series")
                drawn = reported.courses(history, result, settings, pictures)
        _show_backtest(result, settings)
        for path in written:
            reported.write(path, result, drawn, settings)
        if as_json:
            as_json.write_text(json.dumps(result.summary(), indent=2) + "\n")
        for path in [*written, *([as_json] if as_json else [])]:
            out.print(f"written: {escape(str(path.absolute()))}", highlight=False, soft_wrap=True)


def _read_history(files: list[Path], read: Callable[[Path], Any]) -> Any:
    from aiops.backtest.history import read_files
    from aiops.score import files_of

    found = [pair for given in files for pair in files_of(given)]
    with progress_bar(MofNCompleteColumn()) as progress:
        name = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        return read_files(progress.track(found, description="reading"), read, name)


def _minute(time_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(time_ms / 1000))


def _show_backtest(result: Any, settings: Any) -> None:
    from aiops.backtest import words

    table = Table("told", "severity", "incident", "series", "why")
    for one in result.incidents:
        row = (_minute(one.detected_ms), one.severity.name.lower(), one.name, str(one.alert_count))
        table.add_row(*row, escape(result.reason(one)))
    if result.incidents:
        out.print(table)
    if result.known:
        table = Table("known incident", "verdict", "told as", "when")
        for one in result.known:
            verdict = f"[red]{words.VERDICTS[one.verdict]}[/]" if not one.incident else words.VERDICTS[one.verdict]
            table.add_row(escape(one.known.name), verdict, one.incident.name if one.incident else "", words.delay(one))
        out.print(table)
    for sentence in words.summary(result):
        out.print(escape(sentence), highlight=False)
    if result.alerts_by_series:
        loudest = ", ".join(f"{series} ({count})" for series, count in list(result.alerts_by_series.items())[:5])
        out.print(escape(f"Series in most incidents: {loudest}."), highlight=False)
    for sentence in words.advice(result, settings):
        out.print(escape(f"- {sentence}"), highlight=False)


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="another seed, another fleet and other faults")] = 1,
    days: Annotated[int, typer.Option(min=5, max=365, help="simulated days; faults begin on the fifth")] = 14,
    keep: Annotated[bool, typer.Option("--keep", help="leave the service up to look around")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="one JSON line on standard output; the rest on standard error")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Stream a simulated fleet with known faults through a real server and judge what it finds."""
    from aiops import demo as demonstration
    from aiops.compiled import FIRST_START, is_kept
    from aiops.detection import kernel
    from aiops.simulator.fleet import DAY_MS, START_MS

    with (
        errors_told(),
        _terminated_as_interrupted(),
        tempfile.TemporaryDirectory(prefix="aiops-demo-") as folder,
    ):
        settings = demonstration.settings_for(load(config, os.environ).settings, Path(folder))
        log.configure("error", settings.log.format)
        console = err if as_json else out
        compiles = "" if is_kept(kernel.__file__) else f" ({FIRST_START})"
        console.print(f"starting the service{compiles} ...")
        with demonstration.running_server(settings) as url:
            console.print(f"service at {url}; streaming {days} days of a fleet of services", highlight=False)
            calm = time.strftime("%m-%d", time.gmtime(START_MS / 1000 + demonstration.warm_up_days(days) * 86400))
            console.print(f"faults begin on {calm}; what opens before is false, while the service learns the fleet")
            with progress_bar(TextColumn("{task.fields[shown]}"), console=console) as progress:
                task = progress.add_task("streaming", total=days * DAY_MS, shown="")

                def told(incident: dict[str, Any]) -> None:
                    progress.console.print(_incident_line(incident), highlight=False, soft_wrap=True)

                def progressed(samples: int, time_ms: int) -> None:
                    day = (time_ms - START_MS) / DAY_MS
                    progress.update(task, completed=time_ms - START_MS, shown=f"day {day:.1f}, {samples:,} samples")

                result = demonstration.run(url, seed, days, told, progressed)
            _show_verdict(result, console)
            _show_tickets(result, console)
            if as_json:
                sys.stdout.write(json.dumps(result.summary()) + "\n")
                sys.stdout.flush()
            if keep:
                for line in ("", "the service stays up; Ctrl-C stops it", f"{url}/v1/incidents", f"{url}/docs"):
                    console.print(line, highlight=False, soft_wrap=True)
                _wait_for_interrupt()


def _wait_for_interrupt() -> None:
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that what it opened is closed and its folder removed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _incident_line(incident: dict[str, Any]) -> str:
    colour = {"low": "blue", "medium": "yellow", "high": "red", "critical": "bold red"}[incident["severity"]]
    moment = incident["detected"][5:16].replace("T", " ")
    reason = incident["timeline"][0]["why"].partition(": ")[0]
    title = escape(incident["title"])
    return f"{moment} [{colour}]{incident['severity']:8}[/] {incident['id']:7} {title} [dim]({reason})[/]"


def _show_verdict(result: Any, console: Console) -> None:
    table = Table("fault", "where", "began", "found as", "after", title="Faults injected", title_justify="left")
    for finding in result.verdict.findings:
        began = time.strftime("%m-%d %H:%M", time.gmtime(finding.fault.start_ms / 1000))
        delay = "" if finding.delay_s is None else f"{finding.delay_s / 60:.0f} min"
        missed = f"[red]missed[/]: joined {finding.joined}" if finding.joined else "[red]missed[/]: no incident"
        table.add_row(finding.fault.kind.value, finding.fault.where, began, finding.incident or missed, delay)
    console.print(table)
    figures, verdict = result.summary(), result.verdict
    first = list(dict.fromkeys(finding.incident for finding in verdict.findings if finding.incident))
    table = Table("incidents", "count", "which", title="Incidents opened", title_justify="left")
    for name, which in (
        ("a fault found", first),
        ("a second or late one of a fault", verdict.duplicates),
        ("false, while learning the fleet", result.false_while_learning),
        ("false, after", result.false_after),
    ):
        table.add_row(name, str(len(which)), ", ".join(which))
    console.print(table)
    days = result.days - result.warm_up_days
    false_per_day = len(result.false_after) / days
    delay_s = figures["median_delay_s"]
    console.print(
        f"found {figures['faults_found']} of {figures['faults_injected']} faults, "
        f"{'no' if delay_s is None else f'{delay_s / 60:.0f} min'} median delay; "
        f"{len(result.false_while_learning)} false incidents while learning the fleet, {len(result.false_after)} in "
        f"{days} days after ({false_per_day:.1f} a day); "
        f"{result.samples:,} samples in {result.seconds:.0f} s",
        highlight=False,
        soft_wrap=True,
    )


def _show_tickets(result: Any, console: Console) -> None:
    columns = ("ticket", "urgency", "category", "first team", "linked to", "about")
    table = Table(*columns, title="Tickets (?: triage is not sure)", title_justify="left")
    for one in result.tickets:
        urgency, category = (one.shown[name] for name in ("urgency", "category"))
        said = [answer["label"] + "?" * answer["abstained"] if answer else "" for answer in (urgency, category)]
        team = one.shown["routing"][0]["team"] + "?" * one.shown["routing_abstained"] if one.shown["routing"] else ""
        about = "" if one.sent.fault is None else f"{result.incident_of(one) or 'missed'}: {one.sent.fault.kind.value}"
        table.add_row(escape(one.sent.title), *said, team, ", ".join(one.incidents), about)
    console.print(table)
    figures = result.summary()
    told = "{tickets} tickets: {tickets_linked_rightly} of {tickets_of_found_faults} about a found fault linked to it; "
    told += "{tickets_linked_wrongly} about no fault linked to an incident"
    console.print(told.format(**figures), highlight=False, soft_wrap=True)


@bench_app.command("engine")
def bench_engine(
    series: Annotated[int, typer.Option(min=1, max=10_000_000)] = 100_000,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600)] = 10,
    threads: Annotated[int, typer.Option(min=1, max=64)] = 1,
    peers: Annotated[bool, typer.Option("--peers", help="also river's detectors, with the ratios")] = False,
) -> None:
    """The detector alone, in this process."""
    from aiops.bench import bench_engine as measure
    from aiops.bench_peers import bench_peers
    from aiops.detection.state import BYTES_PER_SERIES

    typer.echo(f"{series:,} series need {series * BYTES_PER_SERIES / 2**20:,.1f} MiB of state", err=True)
    first: list[float] | None = [] if peers else None
    with errors_told():
        figures = measure(series, seconds, threads, first)
        if first:
            figures["peers"] = {
                name: {"samples_per_cpu_s": round(rate), "ours_is_times": round(figures["samples_per_cpu_s"] / rate, 1)}
                for name, rate in bench_peers(first, min(seconds, 5)).items()
            }
        sys.stdout.write(json.dumps(figures) + "\n")


@bench_app.command("ingest")
def bench_ingest(
    series: Annotated[int, typer.Option(min=1, max=10_000_000)] = 100_000,
    samples_per_request: Annotated[int, typer.Option(min=1, max=100_000)] = 2000,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600)] = 10,
    peer: Annotated[
        Literal["victoria-metrics"] | None, typer.Option(help="then drive this server the same way")
    ] = None,
) -> None:
    """A real server fed by remote write with 10 labels a series; CPU seconds are the server's."""
    from aiops.bench_ingest import bench_ingest as measure

    with errors_told(), tempfile.TemporaryDirectory(prefix="aiops-bench-") as folder:
        figures = measure(series, samples_per_request, seconds, Path(folder), peer)
        sys.stdout.write(json.dumps(figures) + "\n")


@bench_app.command("snapshot")
def bench_snapshot(
    series: Annotated[int, typer.Option(min=1, max=10_000_000)] = 100_000,
    to: Annotated[
        Path | None, typer.Option("--dir", help="a folder on the disk to measure; else a temporary one")
    ] = None,
) -> None:
    """Saving the detectors' memory while samples arrive, the longest pause of a write, and restoring it."""
    from aiops.bench_snapshot import bench_snapshot as measure

    with errors_told(), tempfile.TemporaryDirectory(prefix="aiops-bench-", dir=to) as folder:
        sys.stdout.write(json.dumps(measure(series, Path(folder))) + "\n")


@bench_app.command("budget")
def bench_budget(
    per_day: Annotated[float, typer.Option(min=0, max=1000, help="alerts a day; 0 = no budget")] = 3,
    per_week: Annotated[float, typer.Option(min=0, max=7000, help="alerts a week, instead of --per-day")] = 0,
    matcher: Annotated[str, typer.Option(help="series it holds for: '{service=\"checkout\"}'; else the fleet")] = "",
    seed: Annotated[int, typer.Option(help="another seed, another fleet and other faults")] = 1,
    weeks: Annotated[int, typer.Option(min=2, max=52, help="simulated weeks; the first is warm-up")] = 4,
) -> None:
    """Is an alert budget kept in normal weeks of the simulated fleet, and what is found in weeks with faults?"""
    from aiops.bench_budget import bench_budget as measure

    log.configure("error", "json")
    rate = f"{per_week:g} per week" if per_week else f"{per_day:g} per day" if per_day else ""
    with errors_told():
        sys.stdout.write(json.dumps(measure(rate, seed, weeks, matcher)) + "\n")


@bench_app.command("joint")
def bench_joint(
    seed: Annotated[int, typer.Option(help="another seed, another fleet and other faults")] = 1,
    weeks: Annotated[int, typer.Option(min=0, max=52, help="simulated weeks; 0 = only the cost")] = 2,
    series: Annotated[int, typer.Option(min=3, max=10_000_000, help="of the cost")] = 100_000,
    metrics: Annotated[int, typer.Option(min=3, max=1000, help="series of an entity, of the cost")] = 40,
    steps: Annotated[int, typer.Option(min=4, max=10_000, help="scrapes, of the cost")] = 40,
) -> None:
    """What the joint score of entities finds in the simulated fleet, what is false, and what it costs: off and on."""
    from aiops.bench_joint import bench_joint as measure
    from aiops.bench_joint import bench_joint_cost

    log.configure("error", "json")
    with errors_told():
        figures = {"cost": bench_joint_cost(series, metrics, steps)} | (measure(seed, weeks) if weeks else {})
        sys.stdout.write(json.dumps(figures) + "\n")


@bench_app.command("entities")
def bench_entities(
    data: Annotated[Path, typer.Option(help="folder of *.npz with arrays train, test and perhaps test_label")],
    to: Annotated[Path, typer.Option("--out", help="folder for one CSV per file")],
    step_s: Annotated[float, typer.Option(min=0.001, help="seconds between rows")] = 300,
) -> None:
    """The joint score of many metrics of one host or service, against labels."""
    from aiops.bench_entities import bench_entities as measure

    with errors_told():
        figures = measure(data, step_s, to)
        table = Table("entity", "rows", "metrics", "best F1", "AUPRC", "segments found", "false a day", box=None)
        for one in figures:
            f1, auprc = ("" if x is None else f"{x:.3f}" for x in (one.f1, one.auprc))
            found, false = f"{one.segments_found} of {one.segments}", f"{one.false_openings / one.days:.2f}"
            table.add_row(escape(one.name), str(one.rows), str(one.metrics), f1, auprc, found, false)
        labelled = [one for one in figures if one.f1 is not None and one.auprc is not None]
        if labelled:
            f1 = f"{sum(one.f1 or 0 for one in labelled) / len(labelled):.3f}"
            auprc = f"{sum(one.auprc or 0 for one in labelled) / len(labelled):.3f}"
            found = f"{sum(one.segments_found for one in labelled)} of {sum(one.segments for one in labelled)}"
            false = f"{sum(one.false_openings for one in labelled) / sum(one.days for one in labelled):.2f}"
            table.add_row("mean", "", "", f1, auprc, found, false, style="bold")
        out.print(table)
        if hits := [hit for one in figures for hit in one.hits]:
            ours, chance = ([sum(h) / len(hits) for h in zip(*pairs, strict=True)] for pairs in (
                [(h.at_100, h.at_150) for h in hits], [(h.by_chance_100, h.by_chance_150) for h in hits],
            ))  # fmt: skip
            out.print(
                f"contributors of {len(hits)} explained segments: HitRate@100 % {ours[0]:.3f}, @150 % {ours[1]:.3f} "
                f"(random ranking {chance[0]:.3f}, {chance[1]:.3f})"
            )
