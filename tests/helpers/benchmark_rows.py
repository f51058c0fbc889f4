"""A few rows in each benchmark's own format, of words that the tiny tokenizer knows."""

import json
import random

from helpers.tiny_data import WORDS


def text(rng, longest=6):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, longest)))


def pairs(count, seed=0, **fields):
    """Rows `id, prompt, chosen, rejected`."""
    rng = random.Random(seed)
    return [
        {"id": n, "prompt": f"{text(rng)} w{n % 40}", "chosen": text(rng), "rejected": text(rng)}
        | fields
        for n in range(count)
    ]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def write_suite(name, folder):
    """Data of the suite of that name; its path and how many items and responses it has."""
    rng = random.Random(1)
    rows, file, items, responses = _MAKERS[name](rng)
    if isinstance(rows, dict):
        for part, members in rows.items():
            write(folder / name / f"{part}.jsonl", members)
        return str(folder / name), items, responses
    return write(folder / f"{file}.jsonl", rows), items, responses


def _rewardbench(rng):
    subsets = ("alpacaeval-easy", "llmbar-natural", "donotanswer", "hep-go", "math-prm")
    rows = [row for subset in subsets for row in pairs(3, seed=len(subset), subset=subset)]
    return rows, "rewardbench", 15, 30


def _rewardbench2(rng):
    rows = [
        {
            "id": f"{subset}-{n}",
            "prompt": text(rng),
            "chosen": [text(rng)],
            "rejected": [text(rng) for _ in range(3)],
            "num_correct": 1,
            "total_completions": 4,
            "subset": subset,
        }
        for subset in ("Factuality", "Focus", "Math", "Precise IF", "Safety")
        for n in range(2)
    ]
    ties = [
        {
            "id": f"{form}:{n}",
            "prompt": f"w{n} {form and 'w9'}",
            "chosen": [text(rng) for _ in range(right)],
            "rejected": [text(rng)],
            "num_correct": right,
            "total_completions": right + 1,
            "subset": "Ties",
        }
        for n in range(2)
        for form, right in (("ref", 1), ("tied", 2))
    ]
    return rows + ties, "rewardbench2", 14, 40 + 10


def _rm_bench(rng):
    rows = [
        {
            "id": n,
            "prompt": text(rng),
            "chosen": [text(rng) for _ in range(3)],
            "rejected": [text(rng) for _ in range(3)],
            "domain": domain,
        }
        for domain in ("chat", "math", "code", "safety-refuse", "safety-response")
        for n in range(2)
    ]
    return rows, "rmbench", 10, 60


def _judgebench(rng):
    rows = [
        {
            "pair_id": f"{source}-{n}",
            "source": f"{source}-law",
            "question": text(rng),
            "response_A": text(rng),
            "response_B": text(rng),
            "label": rng.choice(["A>B", "B>A"]),
        }
        for source in ("mmlu-pro", "livebench-math", "livebench-reasoning", "livecodebench")
        for n in range(3)
    ]
    return rows, "judgebench", 12, 24


def _rmb(rng):
    def reply():
        return {"answer": text(rng), "llm_name": "m"}

    def conversation():
        return [{"role": "user", "content": text(rng)}]

    paired = [
        {
            "pair_uid": f"p{goal}{n}",
            "conversation_input": conversation(),
            "chosen": reply(),
            "reject": reply(),
            "category_path": f"{goal}/x",
        }
        for goal in ("Helpfulness", "Harmlessness")
        for n in range(2)
    ]
    lists = [
        {
            "bon_uid": f"b{goal}{n}",
            "conversation_input": conversation(),
            "bon_best": reply(),
            "loser_list": [reply(), reply()],
            "category_path": f"{goal}/x",
        }
        for goal in ("Helpfulness", "Harmlessness")
        for n in range(2)
    ]
    return {"Pairwise_set/pairs": paired, "BoN_set/lists": lists}, "", 8, 8 + 12


def _hhh(rng):
    subsets = ("helpful", "honest", "harmless", "other")
    rows = [row for s in subsets for row in pairs(3, seed=len(s) + ord(s[1]), subset=s)]
    return rows, "hhh", 12, 24


def _llmbar(rng):
    def rows():
        return [
            {"input": text(rng), "output_1": text(rng), "output_2": text(rng), "label": 1 + n % 2}
            for n in range(2)
        ]

    names = ("Natural", *(f"Adversarial_{n}" for n in ("Neighbor", "GPTInst", "GPTOut", "Manual")))
    return {name: rows() for name in names}, "", 10, 20


def _ppe(rng):
    models = ("a", "b", "c")
    rows = [
        {
            "question_id": f"q{n}",
            "prompt": text(rng),
            "response_1": text(rng),
            "response_2": text(rng),
            "model_a": models[n % 3],
            "model_b": models[(n + 1) % 3],
            "winner": ("model_a", "model_b", "tie")[n // 3 % 3],
        }
        for n in range(18)
    ]
    return rows, "ppe", 18, 36


def _ppe_correctness(rng):
    rows = [
        {
            "question_id": f"q{n}",
            "prompt": text(rng),
            **{f"response_{k}": text(rng) for k in range(1, 5)},
            "scores": [True, False, True, False],
            "sampled_conflict_pairs": [[0, 1], [3, 2]],
            "model_name": "m",
        }
        for n in range(4)
    ]
    return rows, "PPE-MATH-Best-of-K", 4, 16


def _scenarios(rng):
    parts = ("in_domain", "prompt_disjoint", "response_disjoint", "mutual_disjoint")
    rows = {
        part: [
            {
                "prompt": text(rng),
                "prompt_id": f"{n}",
                "responses": [text(rng) for _ in range(3)],
                "scores": [0.1, 0.9, 0.5],
            }
            for n in range(2)
        ]
        for part in parts
    }
    return rows, "", 8, 24


def _best_of_n(rng):
    rows = [
        {"prompt": text(rng), "chosen": [text(rng)], "rejected": [text(rng), text(rng)]}
        for _ in range(5)
    ]
    return rows, "lists", 5, 15


_MAKERS = {
    "rewardbench": _rewardbench,
    "rewardbench2": _rewardbench2,
    "rm-bench": _rm_bench,
    "judgebench": _judgebench,
    "rmb": _rmb,
    "hhh": _hhh,
    "llmbar": _llmbar,
    "ppe": _ppe,
    "ppe-correctness": _ppe_correctness,
    "scenarios": _scenarios,
    "pairs": lambda rng: (pairs(7), "mine", 7, 14),
    "best-of-n": _best_of_n,
}
NAMES = tuple(_MAKERS)
