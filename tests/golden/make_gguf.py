"""Writes gguf_cases.gguf and gguf_cases.json: a GGUF file with every type of value and every type of tensor that
qinsbench reads, by the gguf package's writer, and what the same package's reader finds in it.

    python3 tests/golden/make_gguf.py       (gguf 0.19.0, numpy; the bytes of blocks are random, seed 1)
"""
import hashlib
import json
import pathlib

import gguf
import numpy as np

HERE = pathlib.Path(__file__).parent
TYPES = ("F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4").split()


def write(path):
    w = gguf.GGUFWriter(path, "llama")
    w.add_uint8("v.uint8", 200)
    w.add_int8("v.int8", -100)
    w.add_uint16("v.uint16", 60000)
    w.add_int16("v.int16", -30000)
    w.add_uint32("v.uint32", 4000000000)
    w.add_int32("v.int32", -2000000000)
    w.add_float32("v.float32", 0.1)
    w.add_bool("v.true", True)
    w.add_bool("v.false", False)
    w.add_string("v.string", "naïve \U0001f600")
    w.add_uint64("v.uint64", 2**62 + 1)
    w.add_int64("v.int64", -(2**62) - 1)
    w.add_float64("v.float64", 1 / 3)
    w.add_array("a.int", [1, -2, 3])
    w.add_array("a.float", [0.5, -1.25])
    w.add_array("a.bool", [True, False, True])
    w.add_array("a.text", ["one", "", "dre\u00ed"])
    w.add_key_value("a.long", [i % 251 for i in range(5000)], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT8)
    random = np.random.Generator(np.random.PCG64(1))
    for i, name in enumerate(TYPES):
        kind = gguf.GGMLQuantizationType[name]
        block, size = gguf.GGML_QUANT_SIZES[kind]
        rows, cols = 2 + i % 3, block * (1 + i % 2) if block > 1 else 5 + i
        raw = random.integers(0, 256, (rows, cols // block * size), dtype=np.uint8)
        if name == "F32":
            w.add_tensor(name, raw.view(np.float32))
        elif name == "F16":
            w.add_tensor(name, raw.view(np.float16))
        else:
            w.add_tensor(name, raw, raw_dtype=kind)
    w.add_tensor("vector", np.arange(7, dtype=np.float32))
    w.add_tensor("cube", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def read(path):
    reader = gguf.GGUFReader(path)
    values, arrays = {}, {}
    for key, field in reader.fields.items():
        if key.startswith("GGUF."):
            continue
        value = field.contents()
        if isinstance(value, list):
            arrays[key] = [len(value), sum(i * v for i, v in enumerate(value, 1)) if isinstance(value[0], (int, float)) else
                           "".join(f"{i}{v}" for i, v in enumerate(value, 1))]
        if not isinstance(value, list) or len(value) <= 4096:
            values[key] = value
    tensors = {
        t.name: [t.tensor_type.name, [int(d) for d in reversed(t.shape)],
                 hashlib.sha256(t.data.tobytes()).hexdigest()] for t in reader.tensors
    }
    return {"config": values, "arrays": arrays, "tensors": tensors}


write(HERE / "gguf_cases.gguf")
(HERE / "gguf_cases.json").write_text(json.dumps(read(HERE / "gguf_cases.gguf"), indent=0) + "\n")
