"""The report of a sweep: one file that opens offline, the same verdicts everywhere, and nothing pooled that should not be."""

from __future__ import annotations

import json
import math
import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest
import toys
from bench import TOYS, in_process, runs

from harness import frames, machine
from harness.report import assemble, page
from harness.report.__main__ import main as report_main
from harness.tracking import Settings, Store

SAY = "<script>alert(1)</script> & co"
SWEEP = [*TOYS[:2], "experiment=figured", "name=figured", "index=1,2,4", "rate=0.5,1.5", "seed=0,1", "when=4", "behave=raise",
         f"say='{SAY}'"]  # fmt: skip


@pytest.fixture(scope="module")
def published(database, tmp_path_factory):
    """(outcome, results) of a sweep of 12 toys with figures, of which those with index 4 fail."""
    results = tmp_path_factory.mktemp("published")
    shutil.copy(database, results)
    return in_process([*SWEEP, f"results={results}"]), results


@pytest.fixture
def folder(published):
    return published[1] / "reports" / "figured"


class Page(HTMLParser):
    """What a page is made of: tags with their attributes, headings, and the text of each table's cells."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.headings, self.rows, self.scripts = text, [], [], [], []
        self.inside, self.open_rows = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.open_rows.append(self.rows[-1])
        if tag in ("td", "th"):
            self.open_rows[-1].append("")

    def handle_endtag(self, tag):
        if tag == "tr":
            self.open_rows.pop()
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self.inside and self.inside[-1] == "script":
            self.scripts.append(data)
        elif "h2" in self.inside or "h3" in self.inside:
            self.headings.append(data.strip())
        elif {"td", "th"} & set(self.inside):
            self.open_rows[-1][-1] += data


@pytest.fixture
def html(folder):
    return Page((folder / "index.html").read_text(encoding="utf-8"))


def test_the_sweep_ends_in_a_report(published, folder):
    done, results = published
    assert done.status == 1
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "report.md", "runs.parquet", "history.parquet", "verdicts.csv",
    }  # fmt: skip
    assert f"report: {folder / 'index.html'}\nruns in MLflow: python -m harness.ui results={results}\n" in done.out


# The page


def test_the_page_needs_nothing_from_elsewhere(html):
    """It is to be read offline, and by whoever it is sent to: no script, style, font or image is fetched."""
    assert not {"link", "iframe", "img", "object", "embed", "base"} & {tag for tag, _ in html.tags}
    sources = [attributes["src"] for _, attributes in html.tags if attributes.get("src")]
    assert sources == []
    links = [attributes["href"] for _, attributes in html.tags if attributes.get("href")]
    assert links
    assert all(link.startswith("http://127.0.0.1:5000/#/experiments/") for link in links)
    styles = "".join(re.findall(r"<style>.*?</style>", html.text, re.DOTALL))
    assert "url(" not in styles
    assert "@import" not in styles


def test_verdicts_come_first_then_figures_then_runs_then_the_machine(html):
    sections = [heading for heading in html.headings if heading in ("Verdicts", "Figures", "Runs", "Machine")]
    assert sections == ["Verdicts", "Figures", "Runs", "Machine"]


def test_the_page_holds_each_verdict(html):
    rows = {row[0].split()[0]: row for row in html.rows if row and row[-1].strip() in ("PASS", "FAIL", "INCONCLUSIVE")}
    assert set(rows) == {"toy-grows", "toy-false"}
    assert [cell.strip() for cell in rows["toy-grows"][1:]] == [
        "0.7857 [0.78, 0.79]",
        "0.7857",
        "[0.7857, 0.7857]range of 1",
        "PASS",
    ]
    assert rows["toy-false"][-1].strip() == "FAIL"
    assert rows["toy-false"][1].strip() == "40 [39, 41]"
    assert "the <b>value</b> is 40" in rows["toy-false"][0]
    assert ["index", "value"] in html.rows
    assert ["<i>1</i>", "2"] in html.rows  # a table of details, its cells as text


def test_what_runs_say_is_text(html):
    """A message with markup in it is shown, not obeyed."""
    assert not any("alert(1)" in script and "Plotly" not in script for script in html.scripts)
    assert sum(SAY in "".join(row) for row in html.rows) == 4
    assert {tag for tag, _ in html.tags} & {"b", "i"} == set()


def test_names_are_text_too(toys, results):
    toys("say='<i>one</i>','<img src=http://nowhere.example/x.png>'")
    page = Page((results / "reports" / "runs" / "index.html").read_text(encoding="utf-8"))
    assert not {"i", "img"} & {tag for tag, _ in page.tags}
    assert {"say=<i>one</i>", "<i>one</i>"} <= {cell for row in page.rows for cell in row}


def test_every_run_has_a_row_with_its_link(html, published):
    all_runs = runs(published[1], "figured")
    assert len(all_runs) == 12
    links = [attributes["href"] for tag, attributes in html.tags if tag == "a"]
    experiment = Store(Settings(str(published[1]))).experiment("figured")
    there, kind = f"http://127.0.0.1:5000/#/experiments/{experiment}/runs", "workflowType=machine_learning"
    assert links == [f"{there}/{run_id}?{kind}" for run_id in all_runs["run_id"]]
    head = next(row for row in html.rows if row and row[0] == "Run")
    assert head == ["Run", "Status", "Seconds", "index", "rate", "seed", "train/value"]
    rows = {row[0]: row for row in html.rows if len(row) == len(head) and row is not head}
    for run in all_runs.itertuples():
        name = run.name if run.status == "FINISHED" else f"{run.name}RuntimeError: {SAY}"
        value = all_runs.loc[run.Index, "train/value"]
        assert rows[name][1] == run.status.lower()
        assert rows[name][3:] == [str(run.index), f"{run.rate:.4g}", str(run.seed), f"{value:.4g}"]


def test_the_page_says_where_and_what(html):
    text = html.text
    assert machine.identity() in text
    assert machine.source_digest() in text
    assert machine.fingerprint()["version.numpy"] in text
    assert "12 runs (8 finished, 4 failed)" in text
    assert "Runs of other machines" not in text


def test_the_figures_are_those_that_the_runs_have(html, published):
    titles = [heading for heading in html.headings if heading.startswith(("Value", "A metric"))]
    assert titles == ["Value by step", "Value by index", "Value, index × rate", "Value by rate"]
    drawn = [script for script in html.scripts if "Plotly.newPlot" in script and len(script) < 100_000]
    assert len(drawn) == 4


def test_a_figure_in_the_page_holds_the_frames_numbers(html, published):
    """Read back from the page: the heat map's cells are medians over the seeds of finished runs."""
    plots = [script.partition("Plotly.newPlot(")[2] for script in html.scripts if len(script) < 100_000]
    traces = [json.JSONDecoder().raw_decode(plot[plot.index("[{") :])[0] for plot in plots if plot]
    [trace] = next(found for found in traces if found[0]["type"] == "heatmap")
    all_runs = frames.comparable(runs(published[1], "figured"))
    cells = all_runs.groupby(["rate", "index"])["train/value"]
    assert trace["x"] == ["1", "2"]
    assert trace["y"] == ["0.5", "1.5"]
    median, low, high = (of.unstack().to_numpy() for of in (cells.median(), cells.min(), cells.max()))
    assert trace["text"] == [
        [
            f"{median[i, j]:.3g}" + f"<br>{low[i, j]:.3g} – {high[i, j]:.3g}" * bool(high[i, j] > low[i, j])
            for j in range(2)
        ]
        for i in range(2)
    ]


def test_a_page_without_figures_has_no_plotly(toys, results):
    toys("index=0,1")
    text = (results / "reports" / "runs" / "index.html").read_text()
    assert "<h2>Figures</h2>" not in text
    assert "No claim is decided by these runs." in text
    assert len(text) < 20_000


# The other forms


def test_markdown_has_every_verdict(folder):
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# figured\n\n12 runs: 8 finished, 4 failed.\n\n## Verdicts\n")
    assert re.search(r"\| toy-grows +\| .*\| \*\*PASS\*\* +\|", text)
    assert re.search(r"\| toy-false +\| .*\| \*\*FAIL\*\* +\|", text)
    assert "### toy-false: FAIL" in text
    assert "toy-silent" not in text


def test_parquet_and_csv_come_back(folder, published):
    all_runs = runs(published[1], "figured")
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "runs.parquet"), all_runs, check_dtype=False)
    history = pd.read_parquet(folder / "history.parquet")
    assert len(history) == 8 * 7 + 4 * 3  # compile_s; value and time at each of three steps, or one
    verdicts = pd.read_csv(folder / "verdicts.csv").set_index("claim")
    assert verdicts["verdict"].to_dict() == {"toy-grows": "PASS", "toy-false": "FAIL"}
    assert verdicts["measured"]["toy-grows"] == 0.5 + 2 / 7


def test_the_terminal_shows_the_verdicts_and_the_means(published):
    out = published[0].out
    assert "8 runs finished, 4 runs failed" in out
    assert re.search(r"PASS +toy-grows: the value is index·rate \+ step/7", out)
    assert re.search(r"FAIL +toy-false: the <b>value</b> is 40", out)
    assert re.search(r"│ 1 +│ 0.5 +│ +0.9524 │", out)  # 0.5 + 2/7 and the mean of 0 and 1/3
    assert not re.search(r"│ 4 +│", out)  # what failed is in no mean


# The summary run


def test_the_summary_is_one_run_with_everything(published, folder):
    store = Store(Settings(str(published[1])))
    for _ in range(2):
        found = list(store._search(store.experiment("figured"), "tags.kind = 'summary'"))
        assert len(found) == 1
        [summary] = found
        assert (summary.info.run_name, summary.info.status) == ("summary of figured", "FINISHED")
        assert summary.data.metrics == {"verdict/toy-grows": 1.0, "verdict/toy-false": 0.0}
        assert summary.data.tags["mlflow.note.content"] == (folder / "report.md").read_text(encoding="utf-8")
        names = {artifact.path for artifact in store.client.list_artifacts(summary.info.run_id)}
        assert names == {path.name for path in folder.iterdir()}
        again = in_process(["sweep=figured", f"results={published[1]}"], report_main)
        assert (again.status, again.err) == (0, "")
        assert "toy-false" in again.out


def test_a_note_longer_than_mlflow_takes_is_cut(store, tmp_path):
    experiment = store.experiment("long")
    store.summarise(experiment, "w", "long", "é" * 20_000, {}, tmp_path / "nothing")
    [summary] = store._search(experiment, "tags.kind = 'summary'")
    assert summary.data.tags["mlflow.note.content"] == "é" * 8000


# What is not pooled


def test_runs_of_other_machines_are_listed_but_not_pooled(bench, results, monkeypatch, store):
    sweep = [*TOYS[:2], "experiment=figured", "index=1,2", "rate=0.5,1.5"]
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(machine, "identity", lambda: "elsewhere")
        bench(*sweep, "rows=3")
    # the same runs, but three times as large, so that pooling would show
    for run in runs(results)["run_id"]:
        store.client.log_metric(run, "train/value", 300.0, step=99)
    done = bench(*sweep, "rows=3")
    assert done.status == 0
    all_runs = runs(results)
    assert all_runs["machine"].value_counts().to_dict() == {"elsewhere": 4, machine.identity(): 4}
    assert len(set(all_runs["sweep"])) == 1
    text = (results / "reports" / "runs" / "index.html").read_text()
    assert "Runs of other machines (elsewhere) are listed above" in text
    assert all(f"runs/{run}" in text for run in all_runs["run_id"])
    report = assemble(store, "runs", all_runs["sweep"][0])
    assert [(v.claim.id, v.outcome) for v in report.verdicts] == [("toy-grows", "PASS"), ("toy-false", "FAIL")]
    assert [len(v.evidence.samples) for v in report.verdicts] == [1, 4]
    heat = next(d.figure.data[0] for d in report.drawings if d.title == "Value, index × rate")
    assert heat.customdata.max() < 4
    assert not re.search(r"│ +\d{3}", done.out)


def test_each_part_of_a_sweep_has_its_own_figures(bench, results, store):
    grids = "++hydra.sweeper.grids={slow_ones:{index:'1,2',rate:'0.5,0.7'},quick:{index:'3,4',rate:'1.5,1.7'}}"
    done = bench(*TOYS[:2], "experiment=figured", grids)
    assert done.status == 0
    report = assemble(store, "runs", runs(results)["sweep"][0])
    parts = {(d.part, d.title) for d in report.drawings}
    assert {part for part, _ in parts} == {"slow ones", "quick"}
    heat = {d.part: d.figure.data[0].x for d in report.drawings if d.title == "Value, index × rate"}
    assert heat == {"slow ones": ("1", "2"), "quick": ("3", "4")}
    assert "figured slow ones" in done.out


# Pieces


def test_tables_show_the_foremost_metrics_first(monkeypatch):
    monkeypatch.setattr(toys.Figured, "foremost", ("time/compile_s", "train/value"))
    assert page.metrics_of("toys.Figured") == ["time/compile_s", "train/value", "test/nothing"]


def test_a_setting_is_written_as_on_the_command_line(published):
    mine = runs(published[1], "figured").assign(
        index=[60000.0, math.nan] + [7.0] * (len(runs(published[1], "figured")) - 2)
    )
    text = page.html("t", "s", mine, [], [], "http://server.example:1234/#/experiments/7")
    assert all(f">{cell}</td>" in text for cell in ("60000", "–", "7"))


def test_a_server_has_links_of_its_own(store, published):
    all_runs = runs(published[1], "figured")
    text = page.html("t", "s", all_runs, [], [], "http://server.example:1234/#/experiments/7")
    assert f'href="http://server.example:1234/#/experiments/7/runs/{all_runs["run_id"][0]}?' in text
    assert 'id="mlflow"' not in text  # the address of a server does not move
