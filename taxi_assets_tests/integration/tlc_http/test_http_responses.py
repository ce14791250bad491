"""Busy servers are retried; invalid responses are refused with a message."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from sample_lake import inspect_file
from tlc_site import NAME, PATH, Client, Handler, parquet, status

from taxi_assets.tlc import tlc_source


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_busy_server_is_retried_with_doubling_pauses(client: Client, code: int) -> None:
    client.site.faults.extend([status(code)] * 3)
    assert client.fetch().read_bytes() == parquet()
    assert client.slept == [1, 2, 4]


def test_permanently_busy_server_is_an_error(client: Client) -> None:
    client.site.faults.extend([status(503)] * 6)
    assert isinstance(client.refuse("it answers 503, 6 times in a row"), tlc_source.SourceUnreachable)
    assert client.slept == [1, 2, 4, 8, 16]


@pytest.mark.parametrize(
    ("asked", "slept"), [("7", 7), ("0", 0), ("86400", 60), ("soon", 1), ("-5", 1), ("", 1), ("9" * 400, 60)]
)
def test_retry_after_seconds_are_limited(client: Client, asked: str, slept: float) -> None:
    client.site.faults.append(status(429, Retry_After=asked))
    client.fetch()
    assert client.slept == [slept]


@pytest.mark.parametrize(("ahead", "least", "most"), [(30, 25, 30), (-30, 0, 0), (9999, 60, 60)])
def test_retry_after_date_is_followed_within_limits(client: Client, ahead: int, least: int, most: int) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    client.site.faults.append(status(503, Retry_After=date))
    client.fetch()
    assert least <= client.slept[0] <= most


# Invalid responses


@pytest.mark.parametrize("absent", [403, 404, 410])
def test_missing_month_error_names_the_site_and_the_remedy(client: Client, absent: int) -> None:
    client.site.files, client.site.absent = {}, absent
    error = client.refuse(rf"127\.0\.0\.1:\d+ has no {NAME} .*answers {absent}.*TAXI_TLC_SOURCE, or choose.*MONTHS=")
    assert not isinstance(error, tlc_source.SourceUnreachable)
    assert len(client.site.requests) == 1
    assert client.slept == []


@pytest.mark.parametrize("code", [204, 206, 304, 400, 401, 407])
def test_permanent_errors_are_not_retried(client: Client, code: int) -> None:
    client.site.faults.append(
        lambda handler, body: handler.respond(code) if code in (204, 304) else status(code)(handler, body)
    )
    client.refuse(rf"cannot fetch http.*{NAME} \(it answers {code}.*check TAXI_TLC_SOURCE")
    assert len(client.site.requests) == 1


def test_html_page_instead_of_parquet_is_refused(client: Client) -> None:
    good = inspect_file(client.fetch())
    client.site.files[PATH] = b"<html>sign in first</html>"
    client.refuse(rf"http.*{NAME} is not a whole parquet file")
    assert inspect_file(client.landing / NAME) == good
    assert not client.left_over()
    client.site.files[PATH] = parquet(2)
    assert client.fetch().read_bytes() == parquet(2)


def test_truncated_file_without_length_is_refused(client: Client) -> None:
    def no_length(handler: Handler, body: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body[:-9])

    client.site.faults.append(no_length)
    client.refuse("is not a whole parquet file")
    assert not (client.landing / NAME).exists()


def test_a_file_in_another_encoding_is_refused(client: Client) -> None:
    client.site.faults.append(lambda handler, body: handler.respond(200, body, Content_Encoding="gzip"))
    client.refuse("in another encoding")
    assert not (client.landing / NAME).exists()


def test_redirects_are_followed_but_not_in_circles(client: Client) -> None:
    client.site.files["/store"] = parquet(2)
    client.site.faults.append(status(302, Location="/store"))
    assert client.fetch().read_bytes() == parquet(2)
    client.site.faults.extend([status(302, Location=PATH)] * 30)
    client.refuse("cannot fetch .*redirects")
