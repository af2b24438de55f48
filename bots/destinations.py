"""Where our requests may go: admins enter addresses of clouds, models and hooks, and may enter any.

What counts is where a connection has gone: a name may stand for another address at every look.  So
nothing is said on a connection that has gone into a private network which PRIVATE_NETWORKS does not
name.  What goes through a proxy of the environment is the proxy's to decide.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Both stand for an IPv4 address, to whoever has a gateway (RFC 6052, RFC 8215).
NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


class PrivateAddress(OSError):
    """The connection has gone into a private network."""

    def __init__(self) -> None:
        super().__init__("the address is in a private network that PRIVATE_NETWORKS does not name")


def refuse_private(sock: socket.socket) -> None:
    """Raises PrivateAddress where nothing may be said on this connection."""
    if not is_allowed(sock.getpeername()[0]):
        raise PrivateAddress


def is_allowed(host: str) -> bool:
    """Whether our requests may go to an IP address."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return all(each.is_global or is_named(each) for each in meanings(address))


def is_named(address: Address) -> bool:
    return any(address in network for network in settings.PRIVATE_NETWORKS)


def meanings(address: Address) -> Iterator[Address]:
    """The address that is reached by this one: for some of IPv6, one of IPv4."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
    elif inner := address.ipv4_mapped or address.sixtofour:
        yield inner
    elif any(address in network for network in NAT64):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    else:
        yield address


def refusal(error: BaseException) -> str:
    """Why we hung up ourselves; "" where something else went wrong."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, PrivateAddress):
        cause = cause.__cause__ or cause.__context__
    return str(cause or "")


class Connection(HTTPConnection):
    """Has looked at its other end before anything is said."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        try:
            if self.proxy is None:
                refuse_private(sock)
        except OSError:
            sock.close()
            raise
        return sock


class TLSConnection(Connection, HTTPSConnection):
    pass


class Pool(HTTPConnectionPool):
    ConnectionCls = Connection


class TLSPool(HTTPSConnectionPool):
    ConnectionCls = TLSConnection


class Adapter(HTTPAdapter):
    """For sessions of `requests` that ask where an admin says."""

    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": Pool, "https": TLSPool}

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):  # whose connections are of their own kind
            manager.pool_classes_by_scheme = self.pools
        return manager
