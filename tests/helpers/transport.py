"""Takes MPEG transport streams apart, as far as the tests change them (ISO 13818-1)."""

PACKET_BYTES = 188
PMT_PID = 0x1000  # where ffmpeg puts the table of the streams


def with_streams_of_types(stream: bytes, *types: int) -> bytes:
    """Announce further streams in every table of a stream made by ffmpeg; none has a packet."""
    packets = [stream[at : at + PACKET_BYTES] for at in range(0, len(stream), PACKET_BYTES)]
    return b"".join(
        _announcing(packet, types) if _pid(packet) == PMT_PID else packet for packet in packets
    )


def _pid(packet: bytes) -> int:
    return int.from_bytes(packet[1:3]) & 0x1FFF


def _announcing(packet: bytes, types: tuple[int, ...]) -> bytes:
    head, table = packet[:5], packet[5:]
    length = int.from_bytes(table[1:3]) & 0xFFF
    streams = table[3 : 3 + length - 4]
    for pid, kind in enumerate(types, start=0x200):
        streams += bytes([kind]) + (0xE000 | pid).to_bytes(2) + (0xF000).to_bytes(2)
    table = table[:1] + (0xB000 | len(streams) + 4).to_bytes(2) + streams
    return (head + table + _checksum(table).to_bytes(4)).ljust(PACKET_BYTES, b"\xff")


def _checksum(content: bytes) -> int:
    """The CRC-32 of MPEG-2, which `zlib` has not: its bits are in the other order."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value
