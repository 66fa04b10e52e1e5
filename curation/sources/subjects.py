"""The two-digit MSC codes of the sources' own subject names, so that no model has to be asked.

The names are those printed by the sources; an unlisted name leaves the domain open.
"""

SUBJECTS = {
    # MATH (hendrycks/math, `subject` or `type`); its school algebra counts as polynomials and equations.
    "algebra": "12",
    "prealgebra": "97",
    "intermediate algebra": "12",
    "number theory": "11",
    "geometry": "51",
    "plane geometry": "51",
    "solid geometry": "51",
    "counting & probability": "05",
    "counting and probability": "05",
    "precalculus": "26",
    "combinatorics": "05",
    # TheoremQA's subfields
    "calculus": "26",
    "graph theory": "05",
    "mathematical analysis": "26",
    "real analysis": "26",
    "complex analysis": "30",
    "functional analysis": "46",
    "numerical analysis": "65",
    "group theory": "20",
    "statistics": "62",
    "probability theory": "60",
    "stochastic process": "60",
    "signal processing": "94",
    "information theory": "94",
    "computer networking": "68",
    "machine learning": "68",
    "economics": "91",
    "quantitive methods": "91",
    "derivatives": "91",
    "fixed income": "91",
    "portfolio management": "91",
    "equity investments": "91",
    # Physics, as TheoremQA and OlympiadBench name its parts
    "kinetics": "70",
    "mechanics": "70",
    "classic mechanics": "70",
    "electromagnetism": "78",
    "optics": "78",
    "wave": "74",
    "fluid mechanics": "76",
    "thermodynamics": "80",
    "statistical physics": "82",
    "condensed matter physics": "82",
    "atomic physics": "81",
    "modern physics": "81",
    "quantum": "81",
    "particle": "81",
    "relativity": "83",
    "celestial mechanics": "85",
    # Omni-MATH's second and third levels
    "discrete mathematics": "05",
    "linear algebra": "15",
    "abstract algebra": "16",
    "differential equations": "34",
    "applied mathematics": "90",
    "logic": "03",
    "differential calculus": "26",
    "integral calculus": "26",
    "probability": "60",
    "field theory": "12",
    "series": "40",
    # The sciences
    "math": "",
    "physics": "70",
    "chemistry": "92",
    "biology": "92",
    "astronomy": "85",
    "geography": "86",
    "cs": "68",
    "crossword": "",
}


def domain_of(*names: str) -> str:
    """The code of the first name that has one, or empty."""
    return next((code for name in names if (code := SUBJECTS.get(name.strip().lower(), ""))), "")
