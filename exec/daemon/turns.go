package daemon

import (
	"context"
	"fmt"
	"sync"

	"ironwrap/policy"
)

// turns are the commands that run: of one user max_user_children, and max_children at
// all. Who waits for their own commands to end is in nobody else's way. The zero turns
// are ready.
type turns struct {
	all gate

	mu    sync.Mutex
	users map[int]*userTurns
}

// userTurns are those of one user.
type userTurns struct {
	gate
	here int // how many wait or are inside; turns.mu is held
}

// turn is one that is inside.
type turn struct {
	t   *turns
	u   *userTurns
	uid int
}

// enterNow is enter without waiting.
func (t *turns) enterNow(uid int, p *policy.Policy) (turn, bool) {
	a := t.of(uid)
	if !a.u.enterNow(ofUser(p)) {
		a.forget()
		return turn{}, false
	}
	if !t.all.enterNow(p.MaxChildren) {
		a.u.leave(ofUser(p))
		a.forget()
		return turn{}, false
	}
	return a, true
}

// enter waits for a turn of a user's as long as ctx lasts. The error says which limit
// stood in the way; else the turn is to be left.
func (t *turns) enter(ctx context.Context, uid int, p *policy.Policy) (turn, error) {
	a := t.of(uid)
	if most := ofUser(p); !a.u.enter(ctx, most) {
		a.forget()
		return turn{}, fmt.Errorf("not run: %d commands of uid %d run, as many as max_user_children allows: try again later", most, uid)
	}
	if !t.all.enter(ctx, p.MaxChildren) {
		a.u.leave(ofUser(p))
		a.forget()
		return turn{}, fmt.Errorf("not run: %d commands run, as many as max_children allows: try again later", p.MaxChildren)
	}
	return a, nil
}

// leave lets the next ones in, as far as p allows.
func (a turn) leave(p *policy.Policy) {
	a.t.all.leave(p.MaxChildren)
	a.u.leave(ofUser(p))
	a.forget()
}

func ofUser(p *policy.Policy) int {
	if p.MaxUserChildren == 0 {
		return p.MaxChildren
	}
	return p.MaxUserChildren
}

func (t *turns) of(uid int) turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users == nil {
		t.users = make(map[int]*userTurns)
	}
	u := t.users[uid]
	if u == nil {
		u = new(userTurns)
		t.users[uid] = u
	}
	u.here++
	return turn{t, u, uid}
}

func (a turn) forget() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	if a.u.here--; a.u.here == 0 {
		delete(a.t.users, a.uid)
	}
}

// count tells how many are inside or wait.
func (t *turns) count() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range t.users {
		n += u.here
	}
	return n
}
