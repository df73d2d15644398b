package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/safe-run/safe-run/spec/problem"
)

// statusError is an answer of a registry that is not what was asked for.
type statusError struct {
	code  int
	after time.Duration // how long the registry wants us to wait; 0 when it does not say
}

func (s *statusError) Error() string {
	return fmt.Sprintf("it answered %d %s", s.code, http.StatusText(s.code))
}

func newStatusError(resp *http.Response) *statusError {
	s := &statusError{code: resp.StatusCode}
	s.after = retryAfter(resp.Header.Get("Retry-After"))
	return s
}

// retryAfter reads seconds or a date; 0 is what cannot be read.
func retryAfter(s string) time.Duration {
	if seconds, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// brokenRegistry is the hint for answers that no registry should give.
const brokenRegistry = "the registry is misconfigured or hostile; ask whoever runs it, or pull from another one"

// errNoProgress says that a server stopped sending.
var errNoProgress = errors.New("it stopped answering")

// explain says in a line what went wrong at the registry, and what to do. URLs
// are left out: those that storage services sign are as good as a password.
func (e *endpoint) explain(err error) error {
	// Not errors.Is: a timeout of package net is a DeadlineExceeded to it.
	if err == nil || err == context.Canceled || err == context.DeadlineExceeded {
		return err
	}
	what, hint := e.reason(err)
	return &problem.Error{What: fmt.Sprintf("registry %s: %s", e.host, what), Hint: hint, Err: err}
}

func (e *endpoint) reason(err error) (what, hint string) {
	var p *problem.Error
	var status *statusError
	switch {
	case errors.As(err, &p):
		return p.What, problem.HintOf(p)
	case errors.As(err, &status):
		return e.reasonOfStatus(status)
	case errors.Is(err, errNoProgress):
		return "it stopped answering: nothing came for " + e.r.idle.String(), "try again; if it stays so, ask whoever runs it, or set up a mirror in registries.conf"
	}
	if what, hint := e.reasonOfTLS(err); what != "" {
		return what, hint
	}
	return e.reasonOfNetwork(err)
}

func (e *endpoint) reasonOfNetwork(err error) (what, hint string) {
	var dns *net.DNSError
	var late net.Error
	switch {
	case errors.As(err, &dns):
		return "its name " + oneLine(dns.Name) + " cannot be resolved", "check the name, and the network: getent hosts " + oneLine(dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses connections", "check that it runs, and its port"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "it cannot be reached", "check the network"
	case dropped(err):
		return "the connection broke", "try again"
	case errors.As(err, &late) && late.Timeout():
		return "it does not answer", "check that it runs, the network, and firewalls on the way"
	}
	var u *url.Error // its text has the URL
	if errors.As(err, &u) {
		err = u.Err
	}
	return oneLine(err.Error()), ""
}

func (e *endpoint) reasonOfStatus(s *statusError) (what, hint string) {
	login := "`podman login " + e.name + "` or `docker login " + e.name + "`"
	switch s.code {
	case http.StatusNotFound:
		return "there is no " + e.named(), "check the name, and the tag or digest"
	case http.StatusUnauthorized, http.StatusForbidden:
		if e.known.Load() {
			return "it does not let us read " + e.named() + " with the stored credentials", "check the name; then log in again: " + login
		}
		return "it does not let us read " + e.named() + " without logging in", "check the name; if it is right: " + login
	case http.StatusTooManyRequests:
		hint := "wait, or log in for a higher limit: " + login
		if s.after > 0 {
			hint = fmt.Sprintf("wait %s, or log in for a higher limit: %s", min(s.after, 24*time.Hour).Round(time.Second), login)
		}
		return "too many requests: its rate limit is reached", hint
	case http.StatusRequestedRangeNotSatisfiable:
		return "it has less of a layer than its manifest says", "push the image again"
	}
	if s.code >= 500 {
		return fmt.Sprintf("it is broken: it answered %d %s", s.code, http.StatusText(s.code)), "try again later"
	}
	return s.Error(), ""
}

func (e *endpoint) reasonOfTLS(err error) (what, hint string) {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	certs := "/etc/containers/certs.d/" + e.name
	switch {
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority", "put the authority's certificate into " + certs + "/ca.crt"
	case errors.As(err, &host):
		return "its certificate is for another name", "check the name; a certificate must have it in its subjectAltName"
	case errors.As(err, &invalid):
		return "its certificate is not valid: " + oneLine(invalid.Error()), "renew it, or check this machine's clock"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it speaks http without TLS", "give it a certificate, or set insecure = true for it in registries.conf"
	case errors.As(err, &alert):
		return "it refuses our TLS: " + oneLine(alert.Error()), "a client certificate goes into " + certs + "/client.cert and client.key"
	}
	return "", ""
}

// dropped matches a connection that ended before its time.
func dropped(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &op) && (op.Op == "read" || op.Op == "write") && !op.Timeout() ||
		strings.Contains(err.Error(), "http2: ") || strings.Contains(err.Error(), "stream error:")
}

// oneLine makes what others wrote fit for a message.
func oneLine(s string) string {
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}
