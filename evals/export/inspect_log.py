"""The logs of inspect-ai (JSON, version 2 of its format): one for each task, model and arm.

Repeats are epochs, and thinking is the reasoning of the assistant's message. What inspect-ai has no field for
is in a sample's metadata.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from evals import manifest
from evals.report.decoding import Decoding
from evals.report.read import CellRun, read_runs
from evals.row import ResultRow

Log = dict[str, Any]
SCORER = "s1_eval"
STOPS = {
    "stop": "stop",
    "length": "max_tokens",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
METADATA = (
    *("domain", "level", "end", "waits_used", "forced_tokens", "thinks_on", "seed", "tries", "spent_tokens"),
    *("first_token_s", "first_answer_token_s", "echo", "scaling", "grading_failure"),
)


def write_logs(out: Path, to: Path) -> list[Path]:
    """Write the cells of `out`, a log for each arm; returns the files."""
    stored = manifest.read(out) or {}
    arms: dict[tuple[str, str, str, Decoding, int], list[CellRun]] = {}
    for run in read_runs(out):
        key = (run.task, run.model, run.arm.name, run.decoding, run.seed)
        arms.setdefault(key, []).append(run)
    paths = []
    for key, runs in arms.items():
        log = _log(stored, "|".join(map(str, key)), sorted(runs, key=lambda one: one.repeat))
        path = to / _name(log["eval"])
        path.write_text(json.dumps(log, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _name(spec: Log) -> str:
    """As inspect-ai names its files: it lists no others."""
    parts = (spec["created"], spec["task"], spec["task_id"])
    return "_".join("".join(c if c.isalnum() else "-" for c in part) for part in parts) + ".json"


def _log(stored: Log, key: str, runs: Sequence[CellRun]) -> Log:
    samples = [_sample(run, row) for run in runs for row in run.rows]
    written = stored["written"]
    usage = [one["output"]["usage"] for one in samples if one["output"].get("usage")]
    return {
        "version": 2,
        "status": "success",
        "eval": _spec(stored, key, runs),
        "plan": {
            "name": "plan",
            "steps": [{"solver": "generate", "params": {}}],
            "config": _sampling(runs[0]),
        },
        "results": _results(runs),
        "stats": {
            "started_at": written,
            "completed_at": written,
            "model_usage": {runs[0].model: _summed(usage)} if usage else {},
        },
        "samples": samples,
    }


def _spec(stored: Log, key: str, runs: Sequence[CellRun]) -> Log:
    run, ids = runs[0], list(dict.fromkeys(row.problem_id for each in runs for row in each.rows))
    digest = hashlib.sha256(key.encode()).hexdigest()[:22]
    arguments: Log = {"arm": run.arm.name, "thinking_budget": run.arm.budget.as_json()}
    if run.arm.scaling is not None:
        arguments["scaling"] = dict(run.arm.scaling)
    if run.arm.words:
        arguments["words"] = run.arm.words
    return {
        "eval_id": digest,
        "run_id": hashlib.sha256(stored["written"].encode()).hexdigest()[:22],
        "created": stored["written"],
        "task": run.task,
        "task_id": digest,
        "task_version": 0,
        "task_args": arguments,
        "tags": [run.arm.name],
        "dataset": {"name": run.task, "samples": len(ids), "sample_ids": ids, "shuffled": False},
        "model": run.model,
        "model_base_url": (stored.get("settings") or {}).get("base_url"),
        "model_generate_config": _sampling(run),
        "config": {"epochs": len(runs), **({"epochs_reducer": ["mean"]} if len(runs) > 1 else {})},
        "packages": {
            name: version
            for name, version in ((stored.get("client") or {}).get("packages") or {}).items()
            if isinstance(version, str)
        },
        "scorers": [{"name": SCORER, "metrics": [{"name": "accuracy"}, {"name": "stderr"}]}],
    }


def _sampling(run: CellRun) -> Log:
    return {"temperature": run.decoding.temperature, "top_p": run.decoding.top_p, "seed": run.seed}


def _results(runs: Sequence[CellRun]) -> Log:
    """Accuracy over problems, each the mean of its graded epochs, with the standard error of that mean."""
    scores: dict[str, list[float]] = {}
    for run in runs:
        for row in run.rows:
            if row.score is not None:
                scores.setdefault(row.problem_id, []).append(row.score)
    rows = [row for run in runs for row in run.rows]
    means = [fmean(found) for found in scores.values()]
    error = stdev(means) / len(means) ** 0.5 if len(means) > 1 else 0.0
    values = {"accuracy": fmean(means) if means else 0.0, "stderr": error}
    return {
        "total_samples": len(rows),
        "completed_samples": sum(not row.error for row in rows),
        "scores": [
            {
                "name": SCORER,
                "scorer": SCORER,
                **({"reducer": "mean"} if len(runs) > 1 else {}),
                "scored_samples": len(means),
                "unscored_samples": len({row.problem_id for row in rows}) - len(means),
                "params": {},
                "metrics": {
                    name: {"name": name, "value": value, "params": {}} for name, value in values.items()
                },
            }
        ],
    }


def _sample(run: CellRun, row: ResultRow) -> Log:
    asked: Log = {"role": "user", "content": row.prompt, "source": "input"}
    sample: Log = {
        "id": row.problem_id,
        "epoch": run.repeat + 1,
        "input": row.prompt,
        "target": row.reference,
        "messages": [asked],
        "output": {"model": run.model, "choices": []},
        "scores": {},
        "metadata": {name: value for name in METADATA if (value := getattr(row, name)) not in (None, "")},
        "total_time": row.seconds,
    }
    if row.error:
        return {
            **sample,
            "error": {"message": row.error, "traceback": row.error, "traceback_ansi": row.error},
        }
    said = _said(run, row)
    stop = STOPS.get(row.finish_reason or "", "unknown")
    sample["messages"] = [asked, said]
    sample["output"] |= {
        "choices": [{"message": said, "stop_reason": stop}],
        "completion": row.answer,
        "time": row.latency_s,
    }
    if usage := _usage(row):
        sample["output"]["usage"], sample["model_usage"] = usage, {run.model: usage}
    if row.score is not None:
        value = {1.0: "C", 0.0: "I"}.get(row.score, row.score)
        sample["scores"] = {
            SCORER: {"value": value, "answer": row.extracted, "explanation": row.extracted_from}
        }
    return sample


def _said(run: CellRun, row: ResultRow) -> Log:
    thinking = [{"type": "reasoning", "reasoning": row.thinking}] if row.thinking else []
    content = [*thinking, {"type": "text", "text": row.answer}]
    return {"role": "assistant", "content": content, "source": "generate", "model": run.model}


def _usage(row: ResultRow) -> dict[str, int] | None:
    """Of the generated tokens; the prompt's are not in the results."""
    written = row.written_tokens
    if written is None and row.thinking_tokens is not None and row.answer_tokens is not None:
        written = row.thinking_tokens + row.answer_tokens
    if written is None:
        return None
    thinking = row.thinking_tokens if row.spent_tokens is None else row.spent_tokens
    reasoning = {} if thinking is None else {"reasoning_tokens": thinking}
    return {"input_tokens": 0, "output_tokens": written, "total_tokens": written, **reasoning}


def _summed(usage: Sequence[dict[str, int]]) -> dict[str, int]:
    return {
        name: sum(one.get(name, 0) for one in usage)
        for name in dict.fromkeys(n for one in usage for n in one)
    }
