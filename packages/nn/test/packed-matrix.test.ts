import { packMatrix } from "@corenet/tensor";
import { packedMatrixSuite } from "../../../tools/testing/packed-matrix-suite.ts";

packedMatrixSuite({ format: "f32", pack: (matrix) => packMatrix(matrix, "f32"), tolerance: 0 });
packedMatrixSuite({ format: "f16", pack: (matrix) => packMatrix(matrix, "f16"), tolerance: 2 ** -11 });
packedMatrixSuite({ format: "bf16", pack: (matrix) => packMatrix(matrix, "bf16"), tolerance: 2 ** -8 });
const int8 = { tolerance: 1 / 254 + 2 ** -11, inputTolerance: 0.5 / 32767 };
packedMatrixSuite({ format: "int8", pack: (matrix) => packMatrix(matrix, "int8"), ...int8 });
const int4 = { tolerance: 1 / 8 + 2 ** -10, inputTolerance: 0.5 / 127 };
packedMatrixSuite({ format: "int4", pack: (matrix) => packMatrix(matrix, "int4"), ...int4 });
