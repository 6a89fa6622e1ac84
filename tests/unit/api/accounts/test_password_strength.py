"""Passwords that are guessed first are refused with a message; unusual ones pass."""

import time

import pytest

from wegent_api.accounts.password_strength import weakness

EASY = [
    "password1234", "Password123!", "P@ssw0rd1234", "aaaaaaaaaaaa", "abcabcabcabc", "123456789012",
    "210987654321", "qwertyuiop12", "letmein12345", "welcome2024!", "monkeydragon", "iloveyou1234",
    "wegent123456", "kubernetes12", "passwordpassword", "qazwsxedcrfv", "PASSWORD1234",
    "aaaaaaaaaaab", "xk3zxk3zxk3z", "admin1234567", "adminadminadmin", "----------------",
    "1q2w3e4r5t6y", "changeme2025",
]  # fmt: skip
FINE = [
    "securepassword123", "correct-horse-battery", "correct horse battery staple", "hunter2-hunter3",
    "zq8Lr2vT9wXk", "9Jk#mm2!pQx_", "another-password", "until-you-choose-another",
    "пароль-из-слов-случайных", "Tr0ub4dor&3xyz",
]  # fmt: skip


@pytest.mark.parametrize("password", EASY)
def test_an_easy_one_is_refused_in_words(password: str) -> None:
    problem = weakness(password)
    assert problem
    assert password not in problem


@pytest.mark.parametrize("password", FINE)
def test_one_that_is_not_easy_passes(password: str) -> None:
    assert weakness(password, ("developer", "dev@example.com")) is None


@pytest.mark.parametrize(
    "password",
    ["developer-x7k2m9q1", "x7k2-DEVELOPER-m9", "x7-some.body-m9q1w3", "some.body@example.com"],
)
def test_name_and_address_may_not_be_in_it(password: str) -> None:
    assert "user name" in str(weakness(password, ("developer", "some.body@example.com")))


def test_a_short_name_occurs_by_chance() -> None:
    assert weakness("zq8Lr2vT9annXk", ("ann", "a@b")) is None


def test_the_longest_password_takes_no_long_time() -> None:
    weakness("warm")
    before = time.process_time()
    for password in ("x9" * 64, "ab1!" * 32, "".join(chr(97 + it * 7 % 26) for it in range(128))):
        weakness(password)
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    "password",
    [
        "Jane-Doe-zq8Lr2vT",
        "janedoe zq8Lr2vT",
        "j4n3d03zq8Lr2vT",
        "eodenajzq8Lr2vT",
        "ＪＡＮＥＤＯＥzq8Lr2vT",  # noqa: RUF001 - full width, from some keyboards
        "zq8Lr2vTsomebody",
    ],
)
def test_the_user_name_in_other_spellings(password: str) -> None:
    assert "user name" in str(weakness(password, ("jane-doe", "some.body@example.com")))
