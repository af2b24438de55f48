from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from bots.models import Policy, WordList
from bots.safety.findings import Finding
from bots.safety.screens import screen_for
from bots.wordlists import read_words, upload_words, use_version

pytestmark = pytest.mark.django_db


def add_url(name: str) -> str:
    return reverse(f"admin:bots_{name}_add")


def change_url(word_list: WordList) -> str:
    return reverse("admin:bots_wordlist_change", args=[word_list.pk])


def text_file(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("words.txt", text.encode())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_words_are_read_from_lines(encoding: str) -> None:
    assert read_words("赌博\r\n\n bet now \n赌博".encode(encoding)) == ["赌博", "bet now"]


@pytest.mark.parametrize("data, reason", [
    (b"fine\n...\n", "Line 2: has neither letters nor digits; write it as a pattern"),
    (b"\n", "A list has 1 to 500000 words."),
    (b"\xff\xff\xff", "The file is neither UTF-8 nor GB 18030."),
])  # fmt: skip
def test_a_file_that_cannot_be_used_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(ValidationError) as error:
        read_words(data)
    assert error.value.messages == [reason]


@pytest.fixture
def word_list() -> WordList:
    word_list = WordList(slug="gambling")
    upload_words(word_list, ["赌博"], by="ada")
    return word_list


def test_each_upload_is_a_version_in_use_at_once(word_list: WordList) -> None:
    policy = Policy.objects.create(slug="strict", input_word_lists=["gambling"], input_block_words=["bet"])
    found = Finding(kind="word", source="gambling, version 1", rule="赌博")
    assert screen_for(policy).input.words.find("賭博") == found

    upload_words(word_list, ["博彩"])

    policy = Policy.objects.get()
    words = screen_for(policy).input.words
    assert words.find("賭博") is None
    assert words.find("博 彩") == Finding(kind="word", source="gambling, version 2", rule="博彩")
    assert words.find("BET")


def test_an_earlier_version_can_be_used_again(word_list: WordList) -> None:
    policy = Policy.objects.create(slug="strict", output_word_lists=["gambling"])
    upload_words(word_list, ["博彩"])

    use_version(word_list, word_list.versions.get(number=1))

    policy = Policy.objects.get()
    assert screen_for(policy).output.words.find("赌博")


def test_words_are_built_once_for_all_that_need_the_same(word_list: WordList) -> None:
    one = Policy.objects.create(slug="one", input_word_lists=["gambling"])
    other = Policy.objects.create(slug="other", output_word_lists=["gambling"], input_max_chars=5)

    assert screen_for(one).input.words is screen_for(other).output.words


def test_a_list_is_uploaded_in_the_admin(admin_client: Client) -> None:
    admin_client.post(add_url("wordlist"), {"slug": "gambling", "upload": text_file("赌博\n博彩")})
    word_list = WordList.objects.get()
    assert word_list.current is not None
    assert (word_list.current.number, word_list.current.count) == (1, 2)
    assert word_list.current.uploaded_by == "admin"


def test_the_admin_goes_back_to_an_earlier_version(admin_client: Client, word_list: WordList) -> None:
    first = word_list.versions.get()
    sent = {"current": first.pk, "upload": text_file("博彩")}
    admin_client.post(change_url(word_list), sent | INLINE)
    word_list.refresh_from_db()
    assert word_list.current is not None
    assert word_list.current.number == 2

    admin_client.post(change_url(word_list), {"current": first.pk} | INLINE)

    word_list.refresh_from_db()
    assert word_list.current == first


INLINE = {
    f"versions-{name}": value
    for name, value in (
        ("TOTAL_FORMS", "0"), ("INITIAL_FORMS", "0"), ("MIN_NUM_FORMS", "0"), ("MAX_NUM_FORMS", "0"),
    )
}  # fmt: skip


def test_what_is_wrong_with_a_file_is_told_at_its_field(admin_client: Client) -> None:
    response = admin_client.post(add_url("wordlist"), {"slug": "gambling", "upload": text_file("C++")})
    told = response.context["adminform"].form.errors["upload"]
    assert told == ["Line 1: has but one letter besides punctuation; write it as a pattern"]


def test_a_list_in_use_is_not_deleted(admin_client: Client, word_list: WordList) -> None:
    Policy.objects.create(slug="strict", input_word_lists=["gambling"])
    admin_client.post(reverse("admin:bots_wordlist_delete", args=[word_list.pk]), {"post": "yes"})
    assert WordList.objects.exists()
