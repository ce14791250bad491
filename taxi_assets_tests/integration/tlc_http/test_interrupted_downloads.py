"""Interrupted downloads resume only if the rest certainly belongs to the same file."""

import pytest
from tlc_site import JANUARY, NAME, PATH, Client, Fault, Handler, cut, parquet, stall, status

from taxi_assets.tlc import tlc_source


def test_download_resumes_after_two_interruptions(client: Client) -> None:
    client.site.faults.extend([cut, cut])
    assert client.fetch().read_bytes() == parquet()
    assert client.site.sent == len(parquet())  # no byte is sent twice
    starts = [int(request["Range"][6:-1]) for request in client.site.requests[1:]]
    assert 0 < starts[0] < starts[1]
    assert client.slept == [1, 1]  # each attempt received some bytes, so no failures are consecutive


def test_stalled_download_is_resumed(client: Client) -> None:
    client.site.faults.append(stall)
    assert client.fetch(read_seconds=0.2).read_bytes() == parquet()
    assert client.site.sent == len(parquet())


def test_download_of_a_killed_process_is_resumed(client: Client) -> None:
    def die(done: int, total: int | None) -> None:
        if done > len(parquet()) // 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.fetch(die)
    assert not (client.landing / NAME).exists()
    left = (client.landing / f".{NAME}.part").stat().st_size
    assert left > len(parquet()) // 3
    assert client.fetch().read_bytes() == parquet()
    assert client.site.requests[-1]["Range"] == f"bytes={left}-"


def test_partial_file_is_not_resumed_from_another_site(client: Client) -> None:
    client.site.faults.extend([cut, status(404)])
    client.refuse("has no")
    client.site.files = {f"/mirror{PATH}": parquet(2)}
    source = f"{client.site.url}/mirror"
    tlc_source.fetch_month(source, "green", JANUARY, client.landing, None, client.retry_policy)
    assert "Range" not in client.site.requests[-1]
    assert (client.landing / NAME).read_bytes() == parquet(2)


def test_file_changed_during_an_interruption_is_restarted(client: Client) -> None:
    def cut_and_change(handler: Handler, body: bytes) -> None:
        cut(handler, body)
        handler.server.files[PATH] = parquet(2)

    client.site.faults.append(cut_and_change)
    assert client.fetch().read_bytes() == parquet(2)


@pytest.mark.parametrize("validator", [{"ETag": 'W/"weak"'}, {}])
def test_download_without_a_validator_is_restarted(client: Client, validator: dict[str, str]) -> None:
    client.site.faults.append(
        lambda handler, body: handler.respond(200, body[:999], Content_Length=str(len(body)), **validator)
    )
    assert client.fetch().read_bytes() == parquet()
    assert "Range" not in client.site.requests[1]


def test_last_modified_is_used_without_an_etag(client: Client) -> None:
    date = "Wed, 01 Mar 2023 08:00:00 GMT"

    def dated(handler: Handler, body: bytes) -> None:
        handler.respond(200, body[:999], Content_Length=str(len(body)), Last_Modified=date)

    client.site.faults.append(dated)
    client.fetch()
    assert client.site.requests[1]["If-Range"] == date


@pytest.mark.parametrize(
    "odd",
    [
        lambda handler, body: handler.respond(
            206, body[: len(body) - len(body) // 2], Content_Range=f"bytes 0-1/{len(body)}"
        ),
        lambda handler, body: handler.respond(206, body, Content_Range="bytes */*"),
        lambda handler, body: handler.respond(206, body),
        lambda handler, body: handler.respond(
            206, body[len(body) // 2 :], ETag='"x"', Content_Range=f"bytes {len(body) // 2}-1/{len(body)}"
        ),
        lambda handler, body: handler.respond(
            206, body[len(body) // 2 :], Content_Range=f"bytes {len(body) // 2}-1/{len(body) - 5}"
        ),
        status(416, Content_Range="bytes */5"),
    ],
)
def test_invalid_response_to_a_range_request_restarts_the_download(client: Client, odd: Fault) -> None:
    client.site.faults.extend([cut, odd])
    assert client.fetch().read_bytes() == parquet()
    assert "Range" not in client.site.requests[2]


def test_repeatedly_failed_download_is_an_error_and_resumed_later(client: Client) -> None:
    def drop(handler: Handler, body: bytes) -> None:
        handler.close_connection = True

    client.site.faults.extend([cut] + [drop] * 5)
    error = client.refuse(rf"cannot be reached \({NAME}: .* 6 times in a row\).*TAXI_TLC_SOURCE")
    assert isinstance(error, tlc_source.SourceUnreachable)
    assert client.slept == [1, 2, 4, 8, 16]
    assert client.fetch().read_bytes() == parquet()
    assert client.site.sent == len(parquet())
