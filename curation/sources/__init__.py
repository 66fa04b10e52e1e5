"""The sources of the pool in the paper's order: one file and one row each."""

from curation.sources.agieval import AGIEVAL
from curation.sources.aime import AIME
from curation.sources.gpqa import GPQA
from curation.sources.jeebench import JEEBENCH
from curation.sources.live_code_bench import LIVE_CODE_BENCH
from curation.sources.numinamath import NUMINAMATH
from curation.sources.olympiad_bench import OLYMPIAD_BENCH
from curation.sources.olympic_arena import OLYMPIC_ARENA
from curation.sources.omni_math import OMNI_MATH
from curation.sources.openai_math import MATH
from curation.sources.s1_prob import S1_PROB
from curation.sources.s1_teasers import S1_TEASERS
from curation.sources.scieval import SCIEVAL
from curation.sources.source import Source
from curation.sources.theoremqa import THEOREMQA
from curation.sources.usaco import USACO
from curation.sources.xword import XWORD

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        MATH,
        OLYMPIC_ARENA,
        THEOREMQA,
        NUMINAMATH,
        OMNI_MATH,
        SCIEVAL,
        OLYMPIAD_BENCH,
        JEEBENCH,
        AGIEVAL,
        S1_PROB,
        GPQA,
        XWORD,
        USACO,
        S1_TEASERS,
        LIVE_CODE_BENCH,
        AIME,
    )
}
