"""Muon for the matrices of the layers, Adam for the rest (embedding, norms, biases)."""
import torch
from torch import distributed


def orthogonal(g, steps=5):
    """The nearest semi-orthogonal matrix to g, about: a quintic Newton–Schulz iteration (Jordan et al., Muon)."""
    x = g / (g.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, with decoupled weight decay. Several processes share the matrices out."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.05):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        rank, world = (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)
        for group in self.param_groups:
            updates = []
            for i, p in enumerate(group["params"]):
                m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                mine = i % world == rank
                updates.append(orthogonal(p.grad.lerp(m, group["momentum"])) if mine else torch.zeros_like(p))
            if world > 1:
                flat = torch.cat([u.reshape(-1) for u in updates])
                distributed.all_reduce(flat)
                updates = [u.view_as(p) for u, p in zip(flat.split([p.numel() for p in updates]), updates)]
            for p, update in zip(group["params"], updates):
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** 0.5)


def optimizers(model, matrix_lr, other_lr):
    """Two optimizers; each group keeps its peak rate as `peak`."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "layers." in n]
    others = [p for n, p in model.named_parameters() if not (p.ndim == 2 and "layers." in n)]
    both = [Muon(matrices, matrix_lr), torch.optim.Adam(others, other_lr, betas=(0.9, 0.95), eps=1e-10)]
    for optimizer in both:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return both
