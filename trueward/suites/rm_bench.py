"""RM-Bench: three styles of a right and of a wrong response, all nine comparisons."""

from collections.abc import Iterator, Sequence

from trueward.suites.rows import HubTable, RowField
from trueward.suites.suite import Counts, Parts, PromptValue, Suite, each, mean, plain_mean
from trueward.types import Prompt

STYLES = ("concise", "detailed plain", "detailed markdown")
DOMAINS = {
    "chat": ("chat",),
    "math": ("math",),
    "code": ("code",),
    "safety": ("safety-refuse", "safety-response"),
}
LEVELS = {
    "easy": [(1, 0), (2, 0), (2, 1)],
    "normal": [(0, 0), (1, 1), (2, 2)],
    "hard": [(0, 1), (0, 2), (1, 2)],
}
"""(style of the right, style of the wrong response): easy where the right one has more style."""
_DOMAIN_OF = {name: domain for domain, names in DOMAINS.items() for name in names}


def read_prompt(row: RowField, table: str, number: int) -> Prompt:
    """Return six responses, right ones first; the domain is the row's, or the file's name."""
    if row.has("domain"):
        subset = row["domain"].one_of(tuple(_DOMAIN_OF))
    else:
        subset = table.rpartition("/")[2].removesuffix("_filtered")
        if subset not in _DOMAIN_OF:
            row["domain"].fail("a domain")
    return Prompt(
        id=f"{subset}/{row['id'].identity()}",
        prompt=row["prompt"].conversation(),
        responses=row["chosen"].replies(len(STYLES)) + row["rejected"].replies(len(STYLES)),
        subset=subset,
    )


def by_level(prompt: Prompt, scores: Sequence[float]) -> Iterator[PromptValue]:
    """Yield for each level the share of its three comparisons won; a tie is lost."""
    right, wrong = scores[: len(STYLES)], scores[len(STYLES) :]
    for level, pairs in LEVELS.items():
        won = sum(right[i] > wrong[j] for i, j in pairs)
        tied = any(right[i] == wrong[j] for i, j in pairs)
        yield PromptValue(f"{_DOMAIN_OF[prompt.subset]}/{level}", won / len(pairs), tied)


def parts(counts: Counts) -> Parts:
    """Return domains (means of levels), their mean, and each level's mean over domains."""
    cells = {
        (domain, level): mean(f"{domain}/{level}", counts) for domain in DOMAINS for level in LEVELS
    }
    domains = {domain: plain_mean(cells[domain, level] for level in LEVELS) for domain in DOMAINS}
    levels = {level: plain_mean(cells[domain, level] for domain in DOMAINS) for level in LEVELS}
    each = {f"{domain}/{level}": cell for (domain, level), cell in cells.items()}
    return {"overall": plain_mean(domains.values()), **levels, **domains, **each}


RM_BENCH = Suite(
    name="rm-bench",
    measures="accuracy where right and wrong differ subtly, under easy, equal and hard style",
    primary="overall",
    tie_rule="a tie is wrong",
    local_format="rows `id, prompt, chosen[3], rejected[3]` (styles concise, detailed plain, "
    "detailed markdown) and `domain`, or a file a domain: `chat_filtered.json`",
    citation="Liu et al. (2024), RM-Bench, arXiv:2410.16184",
    origin="THU-KEG/RM-Bench",
    licence="ODC-BY",
    read_prompt=read_prompt,
    values=each(by_level),
    parts=parts,
    tables=(HubTable("THU-KEG/RM-Bench", "train", "RM-Bench"),),
)
