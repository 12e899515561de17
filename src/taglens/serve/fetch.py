"""Pictures from web addresses, without letting anybody reach this machine's own network through the server."""

import asyncio
import ipaddress
import socket

import httpx

from taglens.errors import PictureError

MOST_REDIRECTS = 3
SECONDS = 10.0
PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


async def fetch(address: str, largest: int) -> bytes:
    """Return the bytes behind a web address.

    The name is resolved once, every address of it must be public, and the connection goes to the address that was checked, so that a
    name cannot point elsewhere a moment later. Each redirect is checked anew.

    Raises:
        PictureError: no public http(s) address, unreachable, too large, too slow, or an answer other than 200.
    """
    try:
        async with asyncio.timeout(SECONDS):
            url = _checked(httpx.URL(address))
            for _ in range(MOST_REDIRECTS + 1):
                content, following = await _get(url, largest)
                if following is None:
                    return content
                url = _checked(url.join(following))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise PictureError(f"{address[:200]}: cannot be fetched ({type(error).__name__})") from error
    raise PictureError(f"{address[:200]}: more than {MOST_REDIRECTS} redirects")


async def _get(url: httpx.URL, largest: int) -> tuple[bytes, str | None]:
    """Return the content, or where it has moved."""
    # ASCII also where the name has other signs
    host = url.raw_host.decode("ascii")
    pinned = url.copy_with(host=await public_address(host, PORTS[url.scheme]), fragment=None)
    # identity: a compressed answer could be small on the way and fill the memory here
    headers = {"Host": host, "User-Agent": "taglens", "Accept": "image/*", "Accept-Encoding": "identity"}
    # no proxy from the environment: it would resolve the name again, elsewhere
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=SECONDS) as client,
        client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": host}) as response,
    ):
        if response.has_redirect_location:
            return b"", response.headers["location"]
        if response.status_code != 200:
            raise PictureError(f"{url}: the server answered {response.status_code}")
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > largest:
                raise PictureError(f"{url}: more than the {largest:,} bytes allowed")
        return bytes(content), None


def _checked(url: httpx.URL) -> httpx.URL:
    if url.scheme not in PORTS or not url.host or url.userinfo:
        raise PictureError(f"{str(url)[:200]}: expected a plain http or https address without a user name")
    if url.port not in (None, PORTS[url.scheme]):
        raise PictureError(f"{str(url)[:200]}: only the ports 80 and 443 are allowed")
    return url


async def public_address(host: str, port: int) -> str:
    """Return an address of ``host``.

    Raises:
        PictureError: the name is unknown, or any of its addresses is not public.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PictureError(f"{host}: no such server") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise PictureError(f"{host}: not a public server; addresses of private networks and of this machine are refused")
    return addresses[0]


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the public internet; addresses that wrap another one are judged by that one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        inner = [one for one in (wrapped, ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if one is not None]
        if inner:
            return all(is_public(str(one)) for one in inner)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
