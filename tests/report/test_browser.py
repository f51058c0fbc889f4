"""The page in a real browser: it draws, asks for nothing, and never overflows sideways."""

import re
import shutil
import subprocess

import pytest

from trueward.report import write_report

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PROBE = """<script>
const seen = performance.getEntriesByType("resource").map(e => e.name);
const page = document.documentElement;
parent.postMessage({
  width: innerWidth, overflow: page.scrollWidth - page.clientWidth, requests: seen.length,
  plots: document.querySelectorAll(".plot").length,
  drawn: document.querySelectorAll(".plot:has(.trace)").length,
  scheme: matchMedia("(prefers-color-scheme: dark)").matches,
  ink: getComputedStyle(document.querySelector(".plot text")).fill,
}, "*");
</script></body>"""
FRAME = """<body><iframe src="page.html" style="width:%dpx;height:900px;border:0"></iframe><script>
addEventListener("message", e => {
  for (const name in e.data) document.body.setAttribute("data-" + name, e.data[name]);
});
</script></body>"""


def look(folder, width, *flags):
    """What the page says of itself in a frame of that width."""
    (folder / "frame.html").write_text(FRAME % width)
    command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}"]
    command += ["--window-size=1600,1000", "--virtual-time-budget=8000", "--dump-dom"]
    shown = subprocess.run(
        [*command, (folder / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return dict(re.findall(r'data-(\w+)="([^"]*)"', shown.stdout))


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    write_report(results, folder / "page.html")
    text = (folder / "page.html").read_text(encoding="utf-8")
    (folder / "page.html").write_text(text.replace("</body>", PROBE), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1440, True)])
def test_it_draws_without_requests_or_overflow(folder, width, dark):
    seen = look(folder, width, *(["--force-dark-mode"] if dark else []))
    assert seen["width"] == str(width)
    assert int(seen["overflow"]) <= 0
    assert seen["requests"] == "0"
    assert seen["plots"] == seen["drawn"] == "43"
    assert seen["scheme"] == str(dark).lower()
    assert seen["ink"] == ("rgb(160, 169, 179)" if dark else "rgb(89, 98, 109)")
