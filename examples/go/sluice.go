// A client of Sluice that buys exactly once over a network that fails. See ../README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// What the values behind an outcome are.
var names = map[string][]string{
	"BUY OK":            {"order_id", "remaining", "durability"},
	"BUY SOLDOUT":       {"remaining"},
	"BUY LIMIT":         {"bought", "order_id"},
	"BUY CANCELLED":     {"order_id"},
	"BUY NOTSTARTED":    {"start_ms"},
	"BUY ENDED":         {"end_ms"},
	"CANCEL OK":         {"remaining"},
	"ORDER FOUND":       {"order_id", "user", "quantity", "status", "durability"},
	"WAITDB DEADLETTER": {"code", "text"},
}

const (
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// Outcome is what Sluice decided: "outcome", and the values by their names.
type Outcome map[string]any

// Undecided: no answer in time, the outcome is not known. Ask later, with the same REQ.
type Undecided struct{ last error }

func (u Undecided) Error() string { return fmt.Sprint(u.last) }

// Sluice is safe for use by many goroutines.
type Sluice struct {
	redis    *redis.Client
	patience time.Duration
}

// NewSluice connects when it is first asked.
func NewSluice(address string, patience time.Duration) *Sluice {
	// go-redis sends again by itself, three times; REQ would make even that safe. Here all of it is
	// in untilDecided.
	return &Sluice{patience: patience, redis: redis.NewClient(&redis.Options{
		Addr: address, MaxRetries: -1, DialTimeout: 2 * time.Second, ReadTimeout: 3 * time.Second,
	})}
}

// Buy is one click, known by its req.
func (s *Sluice) Buy(ctx context.Context, item, user, req string) (Outcome, error) {
	return s.untilDecided(ctx, words("BUY", item, user, "REQ", req),
		words("ORDER", item, user, "REQ", req))
}

func (s *Sluice) Pay(ctx context.Context, item, user, order string) (Outcome, error) {
	return s.untilDecided(ctx, words("PAY", item, user, order, "REQ", "pay-"+order), nil)
}

func (s *Sluice) Cancel(ctx context.Context, item, user, order string) (Outcome, error) {
	return s.untilDecided(ctx, words("CANCEL", item, user, order, "REQ", "cancel-"+order), nil)
}

// Order by its id, or by "REQ" and the click's.
func (s *Sluice) Order(ctx context.Context, item, user string, which ...string) (Outcome, error) {
	return s.untilDecided(ctx, words("ORDER", item, user, which...), nil)
}

// WaitForMySQL waits at most two seconds, below the driver's timeout; the caller may ask again.
func (s *Sluice) WaitForMySQL(ctx context.Context, item, user, order string,
	wait time.Duration) (Outcome, error) {
	if wait > 2*time.Second {
		wait = 2 * time.Second
	}
	return s.untilDecided(ctx, words("WAITDB", item, user, order, fmt.Sprint(wait.Milliseconds())),
		nil)
}

func words(verb, item, user string, more ...string) []string {
	return append([]string{verb, item, user}, more...)
}

func (s *Sluice) untilDecided(ctx context.Context, ask, inquiry []string) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	pause := firstPause
	for {
		outcome, err := s.ask(ctx, ask)
		var said redis.Error
		switch {
		case err == nil:
			return outcome, nil
		case !errors.As(err, &said): // lost: it may have arrived, or not
		case strings.HasPrefix(err.Error(), "UNKNOWNSTATE"):
			if found := s.found(ctx, inquiry); found != nil {
				return found, nil
			}
		case strings.HasPrefix(err.Error(), "BUSY"), strings.HasPrefix(err.Error(), "LOADING"):
		default:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, Undecided{err}
		case <-time.After(pause/2 + time.Duration(rand.Int63n(int64(pause/2)))):
		}
		if pause *= 2; pause > longestPause {
			pause = longestPause
		}
	}
}

// The order of a purchase whose outcome was not known; nil: ask or buy again.
func (s *Sluice) found(ctx context.Context, inquiry []string) Outcome {
	if inquiry == nil {
		return nil
	}
	found, err := s.ask(ctx, inquiry)
	if err != nil || found["outcome"] != "FOUND" {
		return nil
	}
	outcome := "OK"
	if found["status"] == "cancelled" || found["status"] == "expired" {
		outcome = "CANCELLED"
	}
	return Outcome{"outcome": outcome, "order_id": found["order_id"]}
}

func (s *Sluice) ask(ctx context.Context, words []string) (Outcome, error) {
	command := []any{"SECKILL." + words[0]}
	for _, word := range words[1:] {
		command = append(command, word)
	}
	reply, err := s.redis.Do(ctx, command...).Slice()
	if err != nil {
		return nil, err
	}
	outcome := Outcome{"outcome": reply[0]}
	for n, name := range names[fmt.Sprint(words[0], " ", reply[0])] {
		outcome[name] = reply[n+1]
	}
	return outcome, nil
}
