import { packMatrix } from "@corenet/tensor";
import { packedMatrixSuite } from "../../../tools/testing/packed-matrix-suite.ts";

packedMatrixSuite({ format: "f32", pack: (matrix) => packMatrix(matrix, "f32"), tolerance: 0 });
packedMatrixSuite({ format: "f16", pack: (matrix) => packMatrix(matrix, "f16"), tolerance: 2 ** -11 });
packedMatrixSuite({ format: "bf16", pack: (matrix) => packMatrix(matrix, "bf16"), tolerance: 2 ** -8 });
