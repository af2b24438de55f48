from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bots.llms.base import ChatMessage, Endpoint, Prompt, ReplyStream, Timeouts
from bots.llms.http import HTTPModelClient
from bots.llms.openai import OpenAI
from tests.bots.llms.provider import Answer, Provider

API_KEY = "sk-0123456789abcdef"
PATIENT = Timeouts(connect_s=5, first_token_s=5, stall_s=5, total_s=10)
HELLO = Prompt(messages=(ChatMessage(role="user", content="Hello"),))


class Providers:
    """Starts stand-in providers and asks them."""

    def __init__(self, stack: ExitStack, client: HTTPModelClient) -> None:
        self.client = client
        self._stack = stack

    def start(self, answer: Answer, tls: ssl.SSLContext | None = None) -> Provider:
        return self._stack.enter_context(Provider(answer, tls=tls))

    def ask(self, provider: Provider | Answer, timeouts: Timeouts = PATIENT) -> ReplyStream:
        if not isinstance(provider, Provider):
            provider = self.start(provider)
        return self.client.stream(endpoint_at(provider.url, timeouts), HELLO)


def endpoint_at(url: str, timeouts: Timeouts = PATIENT, **fields: object) -> Endpoint:
    return Endpoint(
        **{
            "slug": "fast",
            "model": "tiny",
            "base_url": url,
            "api_key": API_KEY,
            "timeouts": timeouts,
            **fields,
        }  # type: ignore[arg-type]
    )


@pytest.fixture
def client() -> Iterator[OpenAI]:
    client = OpenAI()
    yield client
    client.session.close()


@pytest.fixture
def providers(client: HTTPModelClient) -> Iterator[Providers]:
    with ExitStack() as stack:
        yield Providers(stack, client)


@dataclass(frozen=True)
class Certificate:
    path: Path  # of the certificate, to be trusted
    server: ssl.SSLContext


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    path, key_path = folder / "certificate.pem", folder / "key.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path, key_path)
    return Certificate(path=path, server=server)
