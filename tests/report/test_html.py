from trueward.report.blocks import Table, columns
from trueward.report.html import Html, element, join, render
from trueward.report.words import count, fixed, listed, percent, short, shown, signed


def test_text_and_attributes_are_escaped_and_markup_is_not():
    inner = element("b", 'a < b & "c"')
    assert inner == "<b>a &lt; b &amp; &quot;c&quot;</b>"
    assert element("p", inner, "<i>") == f"<p>{inner}&lt;i&gt;</p>"
    assert element("a", "x", class_='"><script>') == ('<a class="&quot;&gt;&lt;script&gt;">x</a>')
    assert element("p", aria_label="x", hidden=True, title=None, lang=False) == (
        '<p aria-label="x" hidden></p>'
    )
    assert isinstance(join("<", Html("<br>")), Html)
    assert join("<", Html("<br>")) == "&lt;<br>"


def test_tables_scroll_in_a_box_that_takes_the_keyboard():
    markup = render(Table("Means", columns("a"), []))
    assert "<caption>Means</caption>" in markup
    assert 'tabindex="0" role="region" aria-label="Means"' in markup


def test_numbers():
    assert fixed(-0.0564) == "−0.056"
    assert fixed(float("nan")) == "–"
    assert signed(0.1) == "+0.100"
    assert signed(-0.1, 1) == "−0.1"
    assert short(12345.678) == "1.235e+04"
    assert short(-300.0) == "−300"
    assert percent(0.95) == "95\N{NO-BREAK SPACE}%"
    assert shown([1e-3, None, "x"]) == "0.001, none, x"
    assert (count(1, "seed"), count(2000, "seed")) == ("1 seed", "2,000 seeds")
    assert (listed(["a"]), listed(["a", "b", "c"])) == ("a", "a, b and c")
