"""The proxy and the certificates of the environment: used, or refused with a sentence."""

from pathlib import Path

import pytest
import trustme

from importer.core.errors import ConfigError
from importer.transport.environment import check_environment, proxy_for, tls_context

URL = "https://api.example.com"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("proxy", ["http://p:3128", "https://p", "http://user:pw@[::1]:8080"])
def test_an_http_proxy_is_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert proxy_for(URL) == proxy
    assert proxy_for("http://127.0.0.1:9") is None


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy.example:3128",
        "proxy.example",
        "socks5://secret@p:1080",
        "http://",
        "http://[x",
        "http://p:99999",
        "http://p:secret",
        "://",
        "http://p:0",
        "\x00",
    ],
)
def test_anything_else_is_refused_and_not_quoted(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": proxy})
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY: expected http://HOST:PORT") as refused:
        check_environment(URL)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n", None],
    ids=["empty", "bytes", "no certificate inside", "no file"],
)
def test_certificates_that_are_none_are_refused(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "ca.pem"
    if content is not None:
        named.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        check_environment(URL)
    check_environment("http://127.0.0.1:9")  # no certificate is needed there


def test_certificates_of_the_environment_take_the_systems_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(tls_context().get_ca_certs()) > 1
    named = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(named))
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    assert len(tls_context().get_ca_certs()) == 1
