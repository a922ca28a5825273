package daemon

import (
	"context"
	"slices"
	"sync"
)

// gate lets so many through at a time, the others in the order they came. The zero
// gate is ready.
type gate struct {
	mu     sync.Mutex
	inside int
	queue  []chan struct{}
}

// enterNow is enter without waiting.
func (g *gate) enterNow(limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.free(limit)
}

// free takes a place where one is free. The lock is held.
func (g *gate) free(limit int) bool {
	if g.inside >= limit || len(g.queue) > 0 {
		return false
	}
	g.inside++
	return true
}

// enter waits until fewer than limit are inside. It tells whether the caller is,
// who must leave then; else ctx ended first.
func (g *gate) enter(ctx context.Context, limit int) bool {
	g.mu.Lock()
	if g.free(limit) {
		g.mu.Unlock()
		return true
	}
	turn := make(chan struct{})
	g.queue = append(g.queue, turn)
	g.mu.Unlock()

	select {
	case <-turn:
		return true
	case <-ctx.Done():
		return g.inTurn(turn)
	}
}

// inTurn takes one that gives up out of the queue, unless its turn had come.
func (g *gate) inTurn(turn chan struct{}) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, turn)
	if i < 0 {
		return true
	}
	g.queue = slices.Delete(g.queue, i, i+1)
	return false
}

// leave lets the next ones in, as far as limit allows.
func (g *gate) leave(limit int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	for len(g.queue) > 0 && g.inside < limit {
		close(g.queue[0])
		g.queue = g.queue[1:]
		g.inside++
	}
}

// count tells how many are inside or wait.
func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside + len(g.queue)
}
