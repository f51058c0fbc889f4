"""verl's reward loop: each answer to a reward server that speaks vLLM's POST /classify.

The data set's `extra_info` holds the prompt's messages under `prompt`.
"""

import os

import aiohttp

URL = os.environ.get("REWARD_URL", "http://127.0.0.1:8100/classify")
MODEL = os.environ.get("REWARD_MODEL", "my-reward-model")


async def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    """The raw reward, in logits; an error of the server ends the run."""
    answer = {"role": "assistant", "content": solution_str}
    body = {"model": MODEL, "messages": [*extra_info["prompt"], answer], "use_activation": False}
    timeout = aiohttp.ClientTimeout(total=180)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session:
        reply = await (await session.post(URL, json=body)).json()
    return float(reply["data"][0]["probs"][0])
