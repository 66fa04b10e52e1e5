"""The recipes: their stages, in order, with their rules.

The order is the paper's: decontaminate, traces, quality, difficulty, domains, select.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from curation.ask.request import place_from
from curation.ask.settings import AskSettings
from curation.decontaminate.contamination import Contamination
from curation.decontaminate.duplicates import Duplicates
from curation.decontaminate.overlap import Overlap
from curation.decontaminate.references import read_references
from curation.difficulty.attempts import AskedAttempts, BroughtAttempts
from curation.difficulty.filter import GradedTraces, Grading, TooEasy
from curation.domains.label import Labeller, SourceAsDomain, no_domain
from curation.errors import CurationError
from curation.export import export
from curation.generate.nano import NanoTeacher, held_out, nano_rows
from curation.generate.reasoning_gym import gym_rows
from curation.pool import PoolSpec, collect, find_files
from curation.quality import garbled, questions, traces
from curation.row import Outcome
from curation.run.cluster import on_cluster
from curation.run.pipeline import Recipe
from curation.run.stage import Stage, filter_stage
from curation.select.candidate import length_in
from curation.select.stage import SELECTIONS, Select
from curation.settings import CurationSettings, named_paths
from curation.traces.brought import Brought
from curation.traces.matching import SomeMatch
from curation.traces.teacher import Teacher, TeacherSampling


def s1k(settings: CurationSettings) -> Recipe:
    """The paper's recipe; only the pool, the teacher and the two solvers are open.

    Raises:
        CurationError: A setting is missing or wrong; so for all recipes.
    """
    completed = replace(
        settings,
        selection=settings.selection or "paper",
        length=settings.length or "Qwen/Qwen2.5-32B-Instruct",
    )
    return _recipe("s1k", completed, _all_stages(completed))


def nano(settings: CurationSettings) -> Recipe:
    """The miniature: generated problems, their generator's teacher, decontamination by whole questions."""
    completed = replace(
        settings,
        generate=settings.generate or "nano",
        selection=settings.selection or "paper",
        length=settings.length or "characters",
        ngram=0,
    )
    if not settings.solver:
        completed = replace(completed, skip=(*settings.skip, "attempts", "difficulty"))
    return _recipe("nano", completed, _all_stages(completed))


def ablation(selection: str, settings: CurationSettings) -> Recipe:
    """Table 2 of the paper: the same pool, traces and quality rules, but a single selection rule."""
    length = settings.length or ("characters" if settings.generate else "Qwen/Qwen2.5-32B-Instruct")
    if selection in ("random", "diverse", "full"):
        length = "characters"  # not used by these selections
    ngram = 0 if settings.generate == "nano" else settings.ngram
    completed = replace(settings, selection=selection, length=length, ngram=ngram)
    labelled = _labelled(completed) if selection == "diverse" else ()
    stages = (
        *_decontaminated(completed),
        *_traced(completed),
        *_good(completed),
        *labelled,
        _selected(completed),
    )
    return _recipe(selection, completed, stages)


RECIPES: dict[str, Callable[[CurationSettings], Recipe]] = {
    "s1k": s1k,
    "nano": nano,
    **{name: partial(ablation, name) for name in ("random", "diverse", "longest", "full")},
}


def _all_stages(settings: CurationSettings) -> tuple[Stage, ...]:
    return (
        *_decontaminated(settings),
        *_traced(settings),
        *_good(settings),
        *_hard(settings),
        *_labelled(settings),
        _selected(settings),
    )


def _recipe(name: str, settings: CurationSettings, stages: tuple[Stage, ...]) -> Recipe:
    names = [stage.name for stage in stages]
    if unknown := [one for one in settings.skip if one not in names]:
        raise CurationError(f"--skip {unknown[0]}: no stage of {name}, which has {', '.join(names)}")
    if settings.ray:
        stages = tuple(on_cluster(stage, settings.ray) for stage in stages)
    return Recipe(name, partial(_pool, settings), stages, export, settings.skip)


def _pool(settings: CurationSettings) -> Iterator[Outcome]:
    kind, _, tasks = settings.generate.partition(":")
    if kind == "nano":
        return nano_rows(settings.generated, settings.seed)
    if kind == "reasoning_gym":
        return gym_rows(tuple(filter(None, tasks.split(","))), settings.generated, settings.seed)
    files = find_files(settings.pool, named_paths(settings.source, "--source"))
    return collect(PoolSpec(files, settings.hub, settings.seed))


def _sources(settings: CurationSettings) -> set[str]:
    """The names of the sources in the pool."""
    if settings.generate:
        return set()
    return {*settings.hub, *find_files(settings.pool, named_paths(settings.source, "--source"))}


def _decontaminated(settings: CurationSettings) -> tuple[Stage, ...]:
    files = named_paths(settings.reference, "--reference")
    made = settings.generate == "nano"
    names = {*settings.hub_reference, *(name for name, _ in files)}
    if "gpqa" in _sources(settings) and "gpqa_diamond" not in names:
        # The extended set contains the diamond set, which is an eval.
        raise CurationError("the source gpqa needs the reference gpqa_diamond, which is a part of it")
    references = tuple(read_references(files, settings.hub_reference))
    if not references and not made and "decontaminate" not in settings.skip:
        raise CurationError(
            "nothing to decontaminate against: give --reference NAME=PATH (aime24, math500, gpqa_diamond), "
            "--hub-reference NAME, or --skip decontaminate"
        )
    return (
        *((filter_stage("held_out", held_out),) if made else ()),
        Stage("decontaminate", Contamination(references, settings.ngram, settings.match), by_row=True),
        *((Stage("overlap", Overlap(settings.overlap)),) if settings.overlap else ()),
        # Procedural problems share most of their wording: compare whole questions only.
        Stage("duplicates", Duplicates(near=not settings.generate)),
    )


def _traced(settings: CurationSettings) -> tuple[Stage, ...]:
    files = tuple(named_paths(settings.traces, "--traces"))
    check = SomeMatch("--traces", files, needs_thinking=True)
    brought = (Stage("brought_traces", Brought(files), by_row=True, check=check),) if files else ()
    if settings.teacher:
        sampling = TeacherSampling(thinking_budget=settings.teacher_budget)
        teacher = Teacher(place_from(settings.teacher), ask_settings(settings), sampling)
        return (*brought, Stage("traces", teacher, by_row=True))
    if settings.generate == "nano":
        return (*brought, Stage("traces", NanoTeacher(settings.seed), by_row=True))
    if not files and "quality" not in settings.skip:
        raise CurationError(
            "no traces: give --teacher MODEL@URL, --traces FORMAT=PATH, or --skip quality to go without"
        )
    return brought


def _good(settings: CurationSettings) -> tuple[Stage, ...]:
    of_questions = (
        questions.no_reference,
        questions.drawn,
        questions.pictured,
        questions.numbered_part,
        questions.bold_number,
    )
    of_traces = (
        traces.no_trace,
        traces.empty_thinking,
        traces.truncated,
        traces.looping,
        traces.unclosed_thinking,
        traces.marks_inside,
    )
    return (
        filter_stage("questions", *of_questions),
        filter_stage("quality", *of_traces, garbled.garbled),
        Stage("grades", GradedTraces(grading(settings)), by_row=True),
        *((filter_stage("correct", traces.not_right),) if settings.correct_only else ()),
    )


def _hard(settings: CurationSettings) -> tuple[Stage, ...]:
    files = tuple(_attempt_files(settings))
    places = tuple(place_from(text) for text in settings.solver)
    if not files and not places and "difficulty" not in settings.skip:
        raise CurationError("no solvers: give --solver MODEL@URL twice, --attempts, or --skip difficulty")
    # Nearly greedy with a large limit, as in the paper; nano has a shorter context and needs no limit.
    longest = settings.solver_max_tokens or (None if settings.generate == "nano" else 32_768)
    sampling = TeacherSampling(temperature=0.05, max_tokens=longest, seed=settings.seed)
    check = SomeMatch("--attempts", tuple((form, path) for _, form, path in files), needs_thinking=False)
    brought = (Stage("brought_attempts", BroughtAttempts(files), by_row=True, check=check),) if files else ()
    asked = AskedAttempts(places, ask_settings(settings), sampling)
    made = places or "attempts" in settings.skip
    return (
        *brought,
        *((Stage("attempts", asked, by_row=True),) if made else ()),
        Stage("difficulty", TooEasy(grading(settings)), by_row=True),
    )


def _attempt_files(settings: CurationSettings) -> Iterator[tuple[str, str, Path]]:
    for name, path in named_paths(settings.attempts, "--attempts"):
        model, mark, form = name.rpartition(":")
        if not mark:
            raise CurationError(f"--attempts {name}={path}: write MODEL:FORMAT=PATH")
        yield model, form, path


def _labelled(settings: CurationSettings) -> tuple[Stage, ...]:
    if settings.labeller:
        label = Stage("domains", Labeller(place_from(settings.labeller), ask_settings(settings)), by_row=True)
    elif settings.source_as_domain:
        label = Stage("domains", SourceAsDomain(), by_row=True)
    else:
        label = filter_stage("domains", no_domain)
    return (label,)


def _selected(settings: CurationSettings) -> Stage:
    if settings.selection not in SELECTIONS:
        raise CurationError(f"--selection {settings.selection}: there is {', '.join(SELECTIONS)}")
    # Fail now rather than at the end of a long run if the tokenizer cannot be loaded.
    length_in(settings.length)
    choose = Select(settings.selection, settings.keep, settings.seed, settings.length, settings.long)
    return Stage("select", choose)


def ask_settings(settings: CurationSettings) -> AskSettings:
    """How this run asks its endpoints."""
    cache = settings.cache or settings.out / "replies.sqlite"
    return AskSettings(cache, settings.concurrency, settings.tries, settings.timeout_s, settings.api_key)


def grading(settings: CurationSettings) -> Grading:
    """How this run grades attempts and traces."""
    judge = place_from(settings.judge) if settings.judge else None
    return Grading(ask_settings(settings), judge, settings.processes)
