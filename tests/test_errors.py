"""Messages made of other libraries' errors."""

import pytest

from trueward.errors import reason


@pytest.mark.parametrize(
    ("words", "expected"), [("\n no such file\nat line 3", "no such file"), ("", "ValueError")]
)
def test_the_reason_is_one_line_even_where_an_error_says_nothing(words, expected):
    assert reason(ValueError(words)) == expected
