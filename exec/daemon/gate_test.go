package daemon

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// until waits for something that another goroutine does.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for range 6000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

// queue lets n enter one after the other, and tells on the channel who came in.
func queue(t *testing.T, g *gate, ctx context.Context, limit, n int) <-chan int {
	t.Helper()
	came := make(chan int, n)
	for i := range n {
		before := g.count()
		go func() {
			if g.enter(ctx, limit) {
				came <- i
			} else {
				came <- -1 - i
			}
		}()
		until(t, "it stands in the queue", func() bool { return g.count() > before })
	}
	return came
}

func TestGateOrder(t *testing.T) {
	var g gate
	for range 2 {
		if !g.enter(context.Background(), 2) {
			t.Fatal("not let in")
		}
	}
	came := queue(t, &g, context.Background(), 2, 20)
	for i := range 20 {
		select {
		case n := <-came:
			t.Fatalf("%d came in where two were", n)
		default:
		}
		g.leave(2)
		if n := <-came; n != i {
			t.Fatalf("%d came in, and it was the turn of %d", n, i)
		}
	}
	g.leave(2)
	g.leave(2)
	if g.count() != 0 {
		t.Errorf("%d are left", g.count())
	}
}

// A newcomer does not overtake those who wait.
func TestGateNewcomer(t *testing.T) {
	var g gate
	g.enter(context.Background(), 1)
	came := queue(t, &g, context.Background(), 1, 1)
	more := queue(t, &g, context.Background(), 5, 1) // to whom there is room enough
	select {
	case <-more:
		t.Error("it did")
	case <-time.After(50 * time.Millisecond):
	}
	g.leave(1)
	<-came
	g.leave(1)
	<-more
}

func TestGateGivingUp(t *testing.T) {
	var g gate
	g.enter(context.Background(), 1)
	ctx, cancel := context.WithCancel(context.Background())
	gone := queue(t, &g, ctx, 1, 3)
	stay := queue(t, &g, context.Background(), 1, 1)
	cancel()
	for range 3 {
		if n := <-gone; n >= 0 {
			t.Errorf("%d came in", n)
		}
	}
	if g.count() != 2 {
		t.Errorf("%d are inside or wait, not 2", g.count())
	}
	g.leave(1)
	<-stay
	g.leave(1)
	if g.count() != 0 {
		t.Errorf("%d are left", g.count())
	}
}

// The limit is that of the policy in force by then.
func TestGateLimits(t *testing.T) {
	var g gate
	for range 3 {
		g.enter(context.Background(), 3)
	}
	came := queue(t, &g, context.Background(), 3, 4)
	g.leave(1) // it has become less: two are inside
	g.leave(1)
	select {
	case <-came:
		t.Fatal("let in past the limit")
	case <-time.After(50 * time.Millisecond):
	}
	g.leave(3) // it has become more: three at once, the first of the queue
	in := make(map[int]bool)
	for range 3 {
		in[<-came] = true
	}
	if !in[0] || !in[1] || !in[2] {
		t.Errorf("these came in: %v", in)
	}
	g.leave(3)
	if n := <-came; n != 3 {
		t.Errorf("%d came in last", n)
	}
}

// Many come, go and give up at the same time: never more than the limit inside, and
// nothing is left. For the race detector.
func TestGateCrowd(t *testing.T) {
	const limit = 3
	var g gate
	var inside atomic.Int32
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(20))*time.Millisecond)
			defer cancel()
			if i%2 == 0 {
				ctx = context.Background()
			}
			if !g.enter(ctx, limit) {
				return
			}
			if inside.Add(1) > limit {
				t.Error("too many inside")
			}
			time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
			inside.Add(-1)
			g.leave(limit)
		})
	}
	all.Wait()
	if g.count() != 0 {
		t.Errorf("%d are left", g.count())
	}
}
