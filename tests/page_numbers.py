"""The numbers of a walkthrough's page, read as its script reads them."""

import base64

import numpy as np


def numbers(data, reference):
    """The array of a reference into a page's data; of one in blocks the means, least and largest of the blocks."""
    entry = data["arrays"][reference]
    shape = [3, *entry["blocks"]] if "blocks" in entry else entry["shape"]
    if "whole" in entry:
        return np.array(entry["whole"]).reshape(shape)
    content = np.frombuffer(base64.b64decode(data["numbers"]), np.uint8).astype(int).reshape(-1, 3)
    codes = content[entry["at"] : entry["at"] + np.prod(shape, dtype=int)] @ [1, 256, 65536]
    return np.array([decoded(code) for code in codes]).reshape(shape)


def decoded(code):
    exponent, digits = code // 20001, code % 20001 - 10000
    return float(["nan", "inf", "-inf"][exponent] if digits == -10000 else f"{digits}e{exponent - 327}")
