// A shop before Sluice: POST /buy, /pay, /cancel, GET /order. See README.md.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

const bodyBytesMax = 4096

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// A form's values; the first that is missing is remembered.
type form struct {
	request *http.Request
	missing string
}

func (f *form) need(name string) string {
	value := f.request.FormValue(name)
	if value == "" && f.missing == "" {
		f.missing = name
	}
	return value
}

type shop struct{ sluice *Sluice }

func (s shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
	f := &form{request: r}
	item, user := f.need("item"), f.need("user")
	var ask func() (Outcome, error)
	switch r.Method + " " + r.URL.Path {
	case "POST /buy":
		req := f.need("req")
		ask = func() (Outcome, error) { return s.sluice.Buy(r.Context(), item, user, req) }
	case "POST /pay":
		order := f.need("order_id")
		ask = func() (Outcome, error) { return s.sluice.Pay(r.Context(), item, user, order) }
	case "POST /cancel":
		order := f.need("order_id")
		ask = func() (Outcome, error) { return s.sluice.Cancel(r.Context(), item, user, order) }
	case "GET /order":
		if r.FormValue("req") == "" {
			f.need("order_id")
		}
		ask = func() (Outcome, error) { return s.order(r, item, user) }
	default:
		reply(w, http.StatusNotFound, Outcome{"error": "no such page"})
		return
	}
	if f.missing != "" {
		reply(w, http.StatusBadRequest, Outcome{"error": "missing: " + f.missing})
		return
	}
	outcome, err := ask()
	var undecided Undecided
	switch {
	case err == nil:
		reply(w, http.StatusOK, outcome)
	case errors.As(err, &undecided):
		w.Header().Set("Retry-After", "1")
		text := fmt.Sprint("not known yet, ask with the same req: ", err)
		reply(w, http.StatusServiceUnavailable, Outcome{"error": text})
	default:
		reply(w, http.StatusBadRequest, Outcome{"error": err.Error()})
	}
}

func (s shop) order(r *http.Request, item, user string) (Outcome, error) {
	if req := r.FormValue("req"); req != "" {
		return s.sluice.Order(r.Context(), item, user, "REQ", req)
	}
	order := r.FormValue("order_id")
	if wait, err := strconv.Atoi(r.FormValue("wait")); err == nil {
		waited, err := s.sluice.WaitForMySQL(r.Context(), item, user, order,
			time.Duration(wait)*time.Millisecond)
		if err != nil || waited["outcome"] == "DEADLETTER" {
			return waited, err
		}
	}
	return s.sluice.Order(r.Context(), item, user, order)
}

func reply(w http.ResponseWriter, status int, answer Outcome) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(answer)
}

func main() {
	address := environment("SLUICE_ADDRESS", "127.0.0.1:6479")
	port := environment("SHOP_PORT", "8080")
	patience, err := time.ParseDuration(environment("SHOP_PATIENCE_MS", "10000") + "ms")
	if err != nil {
		log.Fatal("SHOP_PATIENCE_MS: ", err)
	}
	fmt.Printf("shop: http://127.0.0.1:%s, Sluice at %s\n", port, address)
	server := &http.Server{Addr: "127.0.0.1:" + port, Handler: shop{NewSluice(address, patience)},
		ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
