"""The identities of matrix differentials, each written once, and the two ways from them to ∂ℓ/∂θ (notes 1.8, notes 2).

They are written with samples in rows and read in columns with the transposes in their place, A = Ãᵀ. Derivations that someone
with samples in columns would write in another way stand here in both (`TEMPLATE`, `RIGHT_WAY`).
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from experiments.theory.equations import Convention, Equation

COMMON: dict[str, tuple[Equation, ...]] = {
    "differential": (
        Equation(
            "X m×n",
            (lambda x: x.d(x.smooth, "X"), lambda x: x.tr(x.partials(x.smooth, x.X).T @ x.dX)),
            lambda x: x.tr(x.partials(x.smooth, x.X) @ x.dX),
        ),
        Equation(
            "A m×n, X m×n",
            (lambda x: x.d(lambda X: x.tr(x.A.T @ X), "X"), lambda x: x.tr(x.A.T @ x.dX)),
            lambda x: x.tr(x.A @ x.dX),
        ),
        Equation(
            "X m×n",
            (lambda x: x.d(lambda X: x.tr(X.T @ X), "X"), lambda x: x.tr((2 * x.X).T @ x.dX)),
            lambda x: x.tr(x.X.T @ x.dX),
        ),
        Equation(
            "A m×m, X m×n",
            (lambda x: x.d(lambda X: x.tr(X.T @ x.A @ X), "X"), lambda x: x.tr(((x.A + x.A.T) @ x.X).T @ x.dX)),
            lambda x: x.tr((2 * x.A @ x.X).T @ x.dX),
        ),
        Equation(
            "X m×n, theta n×k, Y m×k",
            (
                lambda x: x.d(
                    lambda theta: x.share(x.X) * (x.log_sum_exp(x.X @ theta) - x.tr(x.Y.T @ x.X @ theta)), "theta"
                ),
                lambda x: x.tr((x.share(x.X) * (x.X.T @ (x.softmax(x.X @ x.theta) - x.Y))).T @ x.dtheta),
            ),
            lambda x: x.tr((x.X.T @ (x.softmax(x.X @ x.theta) - x.Y)).T @ x.dtheta),
        ),
    ),
    "product": (
        Equation(
            "A m×k, B k×n",
            (lambda x: x.d(lambda A, B: A @ B, "A", "B"), lambda x: x.dA @ x.B + x.A @ x.dB),
            lambda x: x.dA @ x.B + x.B @ x.dA,
        ),
        Equation(
            "A m×n, B n×k, C k×p",
            (
                lambda x: x.d(lambda A, B, C: A @ B @ C, "A", "B", "C"),
                lambda x: x.dA @ x.B @ x.C + x.A @ x.dB @ x.C + x.A @ x.B @ x.dC,
            ),
            lambda x: x.dA @ x.B @ x.C + x.A @ x.dB @ x.C + x.dC @ x.A @ x.B,
        ),
    ),
    "cyclic": (
        Equation(
            "A m×n, B n×k, C k×m",
            (lambda x: x.tr(x.A @ x.B @ x.C), lambda x: x.tr(x.B @ x.C @ x.A), lambda x: x.tr(x.C @ x.A @ x.B)),
            lambda x: x.tr(x.A @ x.C @ x.B),
        ),
        Equation("A m×n, B n×m", (lambda x: x.tr(x.A @ x.B), lambda x: x.tr(x.B @ x.A)), lambda x: x.tr(x.A.T @ x.B)),
    ),
    "transpose": (
        Equation("A m×n", (lambda x: x.d(lambda A: A.T, "A"), lambda x: x.dA.T), lambda x: x.dA),
        Equation("A m×k, B k×n", (lambda x: (x.A @ x.B).T, lambda x: x.B.T @ x.A.T), lambda x: x.A.T @ x.B.T),
        Equation(
            "A m×n, B m×n",
            (lambda x: x.tr(x.A.T @ x.B), lambda x: x.tr(x.B.T @ x.A), lambda x: x.total(x.A * x.B)),
            lambda x: x.tr(x.A @ x.B),
        ),
    ),
    "inverse": (
        Equation(
            "A n×n",
            (lambda x: x.d(x.inv, "A"), lambda x: -(x.inv(x.A) @ x.dA @ x.inv(x.A))),
            lambda x: -(x.inv(x.A) @ x.inv(x.A) @ x.dA),
        ),
    ),
    "log_det": (
        Equation(
            "A n×n",
            (lambda x: x.d(x.log_det, "A"), lambda x: x.tr(x.inv(x.A) @ x.dA)),
            lambda x: x.tr(x.inv(x.A).T @ x.dA),
        ),
        Equation(
            "A n×n",
            (lambda x: x.d(x.det, "A"), lambda x: x.det(x.A) * x.tr(x.inv(x.A) @ x.dA)),
            lambda x: x.tr(x.inv(x.A) @ x.dA),
        ),
    ),
    "hadamard": (
        Equation(
            "A m×n, B m×n",
            (lambda x: x.d(lambda A, B: A * B, "A", "B"), lambda x: x.dA * x.B + x.A * x.dB),
            lambda x: x.dA * x.B + x.B * x.dA,
        ),
        Equation(
            "A m×n, B m×n, C m×n",
            (lambda x: x.tr(x.A.T @ (x.B * x.C)), lambda x: x.tr((x.A * x.B).T @ x.C)),
            lambda x: x.tr((x.A @ x.B).T @ x.C),
        ),
    ),
    "chain": (
        Equation(
            "A m×k, B k×n",
            (
                lambda x: x.d(lambda A, B: x.exp(A @ B), "A", "B"),
                lambda x: x.exp(x.A @ x.B) * (x.dA @ x.B + x.A @ x.dB),
            ),
            lambda x: x.exp(x.A @ x.B) @ (x.dA @ x.B + x.A @ x.dB),
        ),
        Equation(
            "A k×m, X m×n",
            (
                lambda x: x.d(lambda X: x.smooth(x.A @ X), "X"),
                lambda x: x.tr((x.A.T @ x.partials(x.smooth, x.A @ x.X)).T @ x.dX),
            ),
            lambda x: x.tr((x.A @ x.partials(x.smooth, x.A @ x.X)).T @ x.dX),
        ),
    ),
    "vec": (
        Equation(
            "A m×n, X n×p, B p×k",
            (lambda x: x.vec(x.A @ x.X @ x.B), lambda x: x.kron(x.B.T, x.A) @ x.vec(x.X)),
            lambda x: x.kron(x.A, x.B.T) @ x.vec(x.X),
        ),
        Equation(
            "A m×n, B m×n",
            (lambda x: x.tr(x.A.T @ x.B), lambda x: x.vec(x.A).T @ x.vec(x.B)),
            lambda x: x.vec(x.A).T @ x.vec(x.B.T),
        ),
        Equation(
            "A m×n",
            (lambda x: x.vec(x.A.T), lambda x: x.commutation(*x.A.shape) @ x.vec(x.A)),
            lambda x: x.vec(x.A),
        ),
        Equation(
            "A m×n, B k×p, C n×k, D p×m",
            (lambda x: x.kron(x.A, x.B) @ x.kron(x.C, x.D), lambda x: x.kron(x.A @ x.C, x.B @ x.D)),
            lambda x: x.kron(x.A @ x.D, x.B @ x.C),
        ),
    ),
}


def _delta(x: Any) -> Any:
    """Δ = ∂ℓ/∂H, at H = Xθ."""
    return x.called("Δ", x.partials(x.smooth, x.X @ x.theta))


def _turned_delta(x: Any) -> Any:
    """Δ̃ = ∂ℓ/∂H̃, at H̃ = θᵀX̃."""
    return x.called("Δ̃", x.partials(x.smooth, x.theta.T @ x.X))


def _by_kron(x: Any) -> Any:
    """∂vec(Xθ)/∂vec θ"""
    return x.kron(x.eye(x.theta.shape[1]), x.X)


def _turned_by_kron(x: Any) -> Any:
    """∂vec(θᵀX̃)/∂vec θᵀ"""
    return x.kron(x.X.T, x.eye(x.theta.shape[1]))


# The notes' template: ∂ℓ/∂θ for any smooth ℓ of the hypothesis, step by step.
TEMPLATE: dict[str, tuple[Equation, ...]] = {
    "rows": (
        Equation(
            "X m×n, theta n×k",
            (
                lambda x: x.d(lambda theta: x.smooth(x.X @ theta, "ℓ"), "theta"),
                lambda x: x.tr(_delta(x).T @ x.d(lambda theta: x.X @ theta, "theta")),
                lambda x: x.tr(_delta(x).T @ x.X @ x.dtheta),
                lambda x: x.tr((x.X.T @ _delta(x)).T @ x.dtheta),
            ),
            lambda x: x.tr((x.X @ _delta(x)).T @ x.dtheta),
        ),
        Equation(
            "X m×n, theta n×k",
            (lambda x: x.partials(lambda theta: x.smooth(x.X @ theta, "ℓ"), x.theta), lambda x: x.X.T @ _delta(x)),
            lambda x: x.X @ _delta(x),
        ),
    ),
    "columns": (
        Equation(
            "X n×m, theta n×k",
            (
                lambda x: x.d(lambda theta: x.smooth(theta.T @ x.X, "ℓ"), "theta"),
                lambda x: x.tr(_turned_delta(x).T @ x.d(lambda theta: theta.T @ x.X, "theta")),
                lambda x: x.tr(_turned_delta(x).T @ x.dtheta.T @ x.X),
                lambda x: x.tr(x.X @ _turned_delta(x).T @ x.dtheta.T),
                lambda x: x.tr((x.X @ _turned_delta(x).T).T @ x.dtheta),
            ),
            lambda x: x.tr((x.X @ _turned_delta(x)).T @ x.dtheta),
            own=True,
        ),
        Equation(
            "X n×m, theta n×k",
            (
                lambda x: x.partials(lambda theta: x.smooth(theta.T @ x.X, "ℓ"), x.theta),
                lambda x: x.X @ _turned_delta(x).T,
            ),
            lambda x: x.X @ _turned_delta(x),
            own=True,
        ),
    ),
}

# The notes' right way to the same gradient: Jacobians, Kronecker products, vectorization.
RIGHT_WAY: dict[str, tuple[Equation, ...]] = {
    "rows": (
        Equation(
            "X m×n, theta n×k",
            (lambda x: x.jacobian(lambda theta: x.X @ theta, x.theta), _by_kron),
            lambda x: x.kron(x.X, x.eye(x.theta.shape[1])),
        ),
        Equation(
            "X m×n, theta n×k",
            (
                lambda x: x.vec(x.partials(lambda theta: x.smooth(x.X @ theta, "ℓ"), x.theta)),
                lambda x: _by_kron(x).T @ x.vec(_delta(x)),
                lambda x: x.vec(x.X.T @ _delta(x)),
            ),
            lambda x: _by_kron(x) @ x.vec(_delta(x)),
        ),
    ),
    "columns": (
        Equation(
            "X n×m, theta n×k",
            (
                lambda x: x.jacobian(lambda theta: theta.T @ x.X, x.theta),
                lambda x: _turned_by_kron(x) @ x.commutation(*x.theta.shape),
            ),
            _turned_by_kron,
            own=True,
        ),
        Equation(
            "X n×m, theta n×k",
            (
                lambda x: x.vec(x.partials(lambda theta: x.smooth(theta.T @ x.X, "ℓ"), x.theta)),
                lambda x: (_turned_by_kron(x) @ x.commutation(*x.theta.shape)).T @ x.vec(_turned_delta(x)),
                lambda x: x.vec(x.X @ _turned_delta(x).T),
            ),
            lambda x: _turned_by_kron(x).T @ x.vec(_turned_delta(x)),
            own=True,
        ),
    ),
}
INVERSE_JACOBIAN = Equation(
    "A n×n",
    (lambda x: x.jacobian(x.inv, x.A), lambda x: -x.kron(x.inv(x.A).T, x.inv(x.A))),
    lambda x: -x.kron(x.inv(x.A), x.inv(x.A).T),
)

Identity = Literal[
    "differential", "product", "cyclic", "transpose", "inverse", "log_det", "hadamard", "chain", "vec", "template", "jacobian"
]  # fmt: skip
IDENTITIES: tuple[Identity, ...] = get_args(Identity)
# Those that are the notes' right way, and not the shortcut's.
BY_VECTORS: tuple[Identity, ...] = ("vec", "jacobian")


def equations(identity: Identity, convention: Convention) -> tuple[Equation, ...]:
    """What the identity says, in that convention."""
    if identity == "template":
        return TEMPLATE[convention]
    return (*RIGHT_WAY[convention], INVERSE_JACOBIAN) if identity == "jacobian" else COMMON[identity]
