# SPDX-License-Identifier: MIT
"""A small classifier written for PyTorch. `run(torch)` takes the library as its
argument, so that the very same code runs with PyTorch and with RusTorch."""


def run(torch, steps=100):
    """The losses of the first steps."""
    nn = torch.nn
    torch.manual_seed(0)
    x = torch.randn(600, 20)
    y = (x[:, :3].sum(1) * 2 + x[:, 3] * x[:, 4]).clamp(-2, 1.99).floor().long() + 2
    data = torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Dropout(0.2),
                                      nn.Linear(64, 32), nn.Tanh())
            self.norm = nn.LayerNorm(32)
            self.head = nn.Linear(32, 4)

        def forward(self, x):
            return self.head(self.norm(self.body(x)))

    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    criterion = nn.CrossEntropyLoss()
    losses = []
    while len(losses) < steps:
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
    return losses[:steps]
