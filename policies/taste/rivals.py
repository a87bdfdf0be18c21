"""Other ways to find out what somebody likes, as published, to be compared with ours."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist
from scipy.special import logsumexp


@dataclass
class CmaEsIg:
    """Proposes informative items out of the population of an evolution strategy: CMA-ES-IG.

    Dennler et al. 2024 (arXiv 2411.11182): CMA-ES samples a population, k-means sums it up, the centroids are shown to
    be put in order, and the order moves the strategy on. The strategy is that of Hansen (2016, arXiv 1604.00772) with
    its default constants.

    Attributes:
        mean: (D,) of the strategy.
        low: (D,) lower end of the box, and `high` its upper end; samples are clipped into it.
        high: see `low`.
        sigma: step size.
        shown: k, how many items a query shows.
        population: samples that are summed up in them.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    sigma: float = 0.25
    shown: int = 4
    population: int = 48
    covariance: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        n, parents = len(self.mean), self.shown // 2
        self.covariance = np.eye(n)
        raw = np.log((self.shown + 1) / 2) - np.log(np.arange(1, parents + 1))
        self._weights = raw / raw.sum()
        mass = 1.0 / float((self._weights**2).sum())
        self._mass = mass
        self._c_sigma = (mass + 2) / (n + mass + 5)
        self._damping = 1 + 2 * max(0.0, float(np.sqrt((mass - 1) / (n + 1))) - 1) + self._c_sigma
        self._c_path = (4 + mass / n) / (n + 4 + 2 * mass / n)
        self._c_one = 2 / ((n + 1.3) ** 2 + mass)
        self._c_mu = min(1 - self._c_one, 2 * (mass - 2 + 1 / mass) / ((n + 2) ** 2 + mass))
        self._path_sigma, self._path = np.zeros(n), np.zeros(n)

    def query(self, rng: np.random.Generator) -> np.ndarray:
        """(k, D) items to be put in order: centroids of a sampled population."""
        root = np.linalg.cholesky(self.covariance + 1e-10 * np.eye(len(self.mean)))
        drawn = self.mean + self.sigma * rng.standard_normal((self.population, len(self.mean))) @ root.T
        drawn = np.clip(drawn, self.low, self.high)
        start = drawn[rng.choice(len(drawn), self.shown, replace=False)]
        centroids, _ = kmeans2(drawn, start, minit="matrix")
        return np.asarray(centroids)

    def update(self, items: np.ndarray, order: np.ndarray) -> None:
        """Move on after items (k, D) were put in `order` (k,), best first (Hansen 2016, eqs. 38 to 47)."""
        n = len(self.mean)
        steps = (items[order[: len(self._weights)]] - self.mean) / self.sigma
        step = self._weights @ steps
        self.mean = np.clip(self.mean + self.sigma * step, self.low, self.high)
        values, vectors = np.linalg.eigh(self.covariance)
        whitened = vectors @ ((vectors.T @ step) / np.sqrt(np.maximum(values, 1e-12)))
        keep = 1 - self._c_sigma
        self._path_sigma = keep * self._path_sigma + np.sqrt((1 - keep**2) * self._mass) * whitened
        self._path = (1 - self._c_path) * self._path
        self._path += np.sqrt(self._c_path * (2 - self._c_path) * self._mass) * step
        rank_mu = (self._weights[:, None] * steps).T @ steps
        old = 1 - self._c_one - self._c_mu
        self.covariance = old * self.covariance + self._c_one * np.outer(self._path, self._path) + self._c_mu * rank_mu
        expected = np.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        growth = self._c_sigma / self._damping * (float(np.linalg.norm(self._path_sigma)) / expected - 1)
        self.sigma = float(np.clip(self.sigma * np.exp(growth), 0.02, 0.5))


def nearest_preferred(embeddings: np.ndarray, preferred: np.ndarray, sharpness: float = 4.0) -> np.ndarray:
    """(N,) rewards of embeddings (N, d) by how near they are to what was preferred, (P, d): RAPL (arXiv 2310.07932).

    Its reward is minus the cost of transporting a behaviour onto a preferred one. A clip is one point here, so the
    entropic transport plan onto all preferred clips is a softmin of distances with this `sharpness`.
    """
    distances = cdist(embeddings, preferred)
    found: np.ndarray = logsumexp(-sharpness * distances, axis=1, b=1.0 / len(preferred)) / sharpness
    return found


def similarity_to_preferred(embeddings: np.ndarray, preferred: np.ndarray) -> np.ndarray:
    """(N,) rewards of embeddings (N, d): the cosine to the mean of what was preferred, (P, d): SARA (2506.12529)."""
    mean = preferred.mean(axis=0)
    found: np.ndarray = 1.0 - cdist(embeddings, mean[None], "cosine")[:, 0]
    return found
