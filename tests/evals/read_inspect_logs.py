"""Run in an environment that has inspect-ai: prints what its own reader finds in a folder of logs."""

import json
import sys
from typing import Any


def told(location: str) -> dict[str, Any]:
    from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries  # type: ignore[import-not-found]

    log = read_eval_log(location)
    [score] = log.results.scores
    return {
        "arm": log.eval.task_args["arm"],
        "task": log.eval.task,
        "epochs": log.eval.config.epochs,
        "accuracy": score.metrics["accuracy"].value,
        "summaries": len(read_eval_log_sample_summaries(location)),
        "samples": [sample_told(sample) for sample in log.samples],
    }


def sample_told(sample: Any) -> list[Any]:
    said = [
        (part.type, part.reasoning if part.type == "reasoning" else part.text)
        for message in sample.messages[1:]
        for part in message.content
    ]
    return [
        sample.id,
        sample.epoch,
        sample.input,
        sample.target,
        said,
        sample.output.completion,
        sample.output.stop_reason if sample.output.choices else None,
        sample.output.usage.reasoning_tokens if sample.output.usage else None,
        {name: [one.value, one.answer] for name, one in sample.scores.items()},
        sample.error.message if sample.error else None,
    ]


def main() -> None:
    from inspect_ai.log import list_eval_logs

    logs = sorted(list_eval_logs(sys.argv[1]), key=lambda info: info.name)
    print(json.dumps([told(info.name) for info in logs]))


if __name__ == "__main__":
    main()
