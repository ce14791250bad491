"""A question by mouse, keyboard, search and link, and what the page says without an answer."""

import re
from pathlib import Path

import pytest
import small_model
from playwright.sync_api import expect
from rider_browser import AT, HOST, QUESTION, OpenPage, ask_by_link, set_time, shows_answer, shows_no_answer
from serving_platform import Platform
from terminal import wait_until

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_two_clicks_on_the_map_are_a_question(open_page: OpenPage, page_url: str) -> None:
    page = open_page(page_url)
    page.locator("[data-zone='74']").click()
    expect(page.locator("#pickup")).to_have_value("East Harlem North")
    expect(page.locator("#sentence")).to_contain_text("ends")
    page.locator("[data-zone='75']").click()
    set_time(page)
    expect(page).to_have_url(re.compile(r"pickup=74&dropoff=75&at=2023-03-01T08%3A30$"))
    expect(page.locator("#dropoff-time")).to_contain_text("08:30")  # until then, the answer before is shown
    assert shows_answer(page) == ask_by_link(open_page, page_url)


def test_the_keyboard_alone_is_enough(open_page: OpenPage, page_url: str) -> None:
    page = open_page(page_url)
    expect(page.locator("[data-zone='74']")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#pickup")).to_be_focused()
    page.keyboard.type("east harlem")
    page.keyboard.press("Enter")
    expect(page.locator("#dropoff")).to_be_focused()
    page.keyboard.type("no such zone")
    expect(page.locator("#dropoff")).not_to_have_attribute("aria-activedescendant", re.compile(""))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("zone 7")
    expect(page.locator("#dropoff-list [aria-selected=true]")).to_have_text("Zone 7 Queens · 7")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    chosen = page.locator("#dropoff-list [aria-selected=true]").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#dropoff")).to_have_value(chosen.partition(" Queens")[0])
    shows_answer(page)
    expect(page.locator("#dropoff")).to_be_focused()  # both are chosen
    page.keyboard.type("zone 8")  # replaces the chosen one
    expect(page.locator("#dropoff")).to_have_value("zone 8")


def test_search_finds_a_zone_by_part_of_its_name_and_by_its_id(open_page: OpenPage, page_url: str) -> None:
    page = open_page(page_url)
    page.locator("#pickup").fill("north harl")
    expect(page.locator("#pickup-list [role=option]")).to_have_count(1)
    page.locator("#pickup-list [role=option]").click()
    page.locator("#dropoff").fill("75")
    page.locator("#dropoff-list [role=option]", has_text="Zone 75 ").click()
    set_time(page)
    expect(page.locator("#dropoff-time")).to_contain_text("08:30")  # until then, the answer before is shown
    assert shows_answer(page) == ask_by_link(open_page, page_url)


def test_a_name_of_no_zone_says_so_and_keeps_the_chosen_one(open_page: OpenPage, page_url: str) -> None:
    page = open_page(f"{page_url}/{QUESTION}")
    shows_answer(page)
    page.locator("#pickup").fill("Atlantis")
    expect(page.locator("#pickup-list")).to_have_text("No zone has this name")
    page.locator("#pickup-list li").click(force=True)  # it chooses no zone
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#pickup")).to_have_value("East Harlem North")


def test_swapping_asks_for_the_way_back(open_page: OpenPage, page_url: str) -> None:
    page = open_page(f"{page_url}/{QUESTION}")
    shows_answer(page)
    page.locator("#swap").click()
    expect(page.locator("#pickup")).to_have_value("Zone 75")
    expect(page).to_have_url(re.compile(r"pickup=75&dropoff=74"))
    there = open_page(f"{page_url}/?pickup=75&dropoff=74&at=2023-03-01T08:30")
    assert shows_answer(page) == shows_answer(there)


def test_the_hour_recolours_the_city_and_no_step_lacks_its_answer(open_page: OpenPage, page_url: str) -> None:
    page = open_page(f"{page_url}/{QUESTION}")
    shows_answer(page)
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status))
    city, answer, hour = page.locator("#city"), page.locator("#answer"), page.locator("#hour")
    colours = set()
    hour.focus()
    for step in range(60):
        page.keyboard.press("Home" if step % 24 == 0 else "ArrowRight")
        expected = f"2023-03-01T{step % 24:02}:00"
        expect(city).to_have_attribute("data-at", expected)
        expect(answer).to_have_attribute("data-at", expected)
        colours.add(page.locator("[data-zone='120']").evaluate("outline => outline.style.fill"))
    assert set(statuses) == {200}
    assert len(colours) > 1
    painted = page.locator("#zones path").evaluate_all("all => all.filter(path => path.style.fill).length")
    assert painted == len(small_model.ZONE_NAMES) - 2


def test_a_quick_hand_ends_at_the_last_hour(open_page: OpenPage, page_url: str) -> None:
    page = open_page(f"{page_url}/{QUESTION}")
    shows_answer(page)
    page.locator("#hour").focus()
    for key in ["Home", *["ArrowRight"] * 60]:
        page.keyboard.press(key)
    for each in ("#city", "#answer"):
        expect(page.locator(each)).to_have_attribute("data-at", "2023-03-01T23:00")
    expect(page.locator("#problem")).to_be_hidden()


def test_without_a_time_the_ride_starts_now(open_page: OpenPage, page_url: str) -> None:
    page = open_page(f"{page_url}/?pickup=74&dropoff=75")
    shows_answer(page)
    expect(page.locator("#now")).to_have_attribute("aria-pressed", "true")
    new_york = page.evaluate(
        "new Intl.DateTimeFormat('sv', {timeZone: 'America/New_York', dateStyle: 'short', timeStyle: 'short'})"
        ".format(new Date()).replace(' ', 'T')"
    )
    assert page.locator("#answer").get_attribute("data-at") <= new_york  # type: ignore[operator]
    assert page.locator("#answer").get_attribute("data-at")[:13] == new_york[:13]  # type: ignore[index]
    set_time(page)
    expect(page.locator("#now")).to_have_attribute("aria-pressed", "false")
    page.locator("#now").click()
    expect(page).to_have_url(re.compile(r"pickup=74&dropoff=75$"))


def test_a_refusal_is_a_sentence_and_the_next_question_clears_it(open_page: OpenPage, page_url: str) -> None:
    page = open_page(f"{page_url}/{QUESTION}&service=hoverboard")
    expect(page.locator("#problem")).to_contain_text("hoverboard")
    expect(page.locator("#problem")).to_contain_text("green")
    shows_no_answer(page)
    page.locator("#service").select_option("fhvhv")
    shows_answer(page)
    expect(page.locator("#problem")).to_be_hidden()


def test_unknown_zones_in_a_link_are_left_out(open_page: OpenPage, page_url: str) -> None:
    page = open_page(f"{page_url}/?pickup=9999&dropoff=75&at=yesterday")
    expect(page.locator("#sentence")).to_contain_text("starts")
    expect(page.locator("#dropoff")).to_have_value("Zone 75")


def test_a_stopped_endpoint_is_said_and_tried_again(open_page: OpenPage, packaged: Settings, tmp_path: Path) -> None:
    other = bento_program(packaged.model_copy(update={"bento_port": free_port(HOST)}))
    with running(other, tmp_path / "first.log") as url:
        page = open_page(f"{url}/{QUESTION}")
        shows_answer(page)
    page.locator("#hour").focus()
    page.keyboard.press("Home")
    expect(page.locator("#problem")).to_contain_text("does not answer")
    shows_no_answer(page)  # the one before is of another hour
    with running(other, tmp_path / "second.log"):
        page.locator("#retry").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#answer")).to_have_attribute("data-at", "2023-03-01T00:00", timeout=15_000)
        expect(page.locator("#problem")).to_be_hidden()
        expect(page.locator("#answer")).to_be_focused()  # the button, which had the focus, is gone


def test_after_a_swap_the_page_names_and_shows_the_new_model(
    open_page: OpenPage, platform: Platform, tmp_path: Path
) -> None:
    with platform.serving(tmp_path / "bento.log") as deployed:
        page = open_page(f"{deployed.url}/{QUESTION}")
        shows_answer(page)
        expect(page.locator("#model")).to_contain_text("Model version 3")
        expect(page.locator("#city")).to_have_attribute("data-at", AT)  # the responses before the swap are all in
        assert deployed("PUT", "/routing/champion", {"model_version": 11}).is_success
        wait_until(lambda: deployed.answering() == {11})
        with page.expect_response("**/predict_many") as recoloured:
            page.locator("#at").dispatch_event("change")  # the same question again
        assert recoloured.value.json()["model_version"] == 11
        expect(page.locator("#notes")).to_contain_text("version 11")
        expect(page.locator("#model")).to_contain_text("Model version 11")
