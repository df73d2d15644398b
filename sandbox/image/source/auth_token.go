package source

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"go.podman.io/image/v5/types"

	"github.com/safe-run/safe-run/spec/problem"
)

const (
	maxToken = 64 << 10 // bytes of a token and what is around it
	clientID = "safe-run"
)

// token gets a token from where the challenge says
// (distribution's specification of token and OAuth2 authentication). It is
// for reading this one repository, whatever the registry asks for.
func (e *endpoint) token(ctx context.Context, c challenge, login types.DockerAuthConfig) (string, error) {
	req, err := e.tokenRequest(ctx, c, login)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: e.base, CheckRedirect: stayHome}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer drain(resp.Body)
	if resp.StatusCode != http.StatusOK {
		status := newStatusError(resp)
		if status.code == http.StatusBadRequest || status.code == http.StatusNotFound {
			status.code = http.StatusUnauthorized // of the token, not of the image
		}
		return "", status
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxToken+1))
	if err != nil {
		return "", err
	}
	var body struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	// A syntax error would show a part of the answer.
	if len(data) > maxToken || json.Unmarshal(data, &body) != nil {
		return "", problem.New(brokenRegistry, "its token service sent no token, or one of more than %d bytes", maxToken)
	}
	token := body.Token
	if token == "" {
		token = body.AccessToken
	}
	if token == "" || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "", problem.New(brokenRegistry, "its token service sent no token")
	}
	return token, nil
}

// tokenRequest asks with the stored login, or as nobody.
func (e *endpoint) tokenRequest(ctx context.Context, c challenge, login types.DockerAuthConfig) (*http.Request, error) {
	realm, err := e.realm(c)
	if err != nil {
		return nil, err
	}
	values := realm.Query()
	values.Set("scope", "repository:"+e.path+":pull")
	if service := c.params["service"]; service != "" {
		values.Set("service", service)
	}
	if login.IdentityToken != "" {
		values.Set("grant_type", "refresh_token")
		values.Set("refresh_token", login.IdentityToken)
		values.Set("client_id", clientID)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, realm.String(), strings.NewReader(values.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("User-Agent", userAgent())
		}
		return req, err
	}
	if login.Username != "" {
		values.Set("account", login.Username)
	}
	realm.RawQuery = values.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, realm.String(), nil)
	if err == nil {
		req.Header.Set("User-Agent", userAgent())
		if login.Username != "" {
			req.SetBasicAuth(login.Username, login.Password)
		}
	}
	return req, err
}

// realm is where tokens are given out: often another host, such as
// auth.docker.io, but never over plain http for a registry with TLS.
func (e *endpoint) realm(c challenge) (*url.URL, error) {
	realm, err := url.Parse(c.params["realm"])
	switch {
	case err != nil || realm.Host == "" || realm.User != nil:
		return nil, problem.New(brokenRegistry, "it names no token service that can be asked")
	case realm.Scheme != "https" && (realm.Scheme != "http" || e.scheme() != "http"):
		return nil, problem.New("the registry is misconfigured or hostile", "its token service is not https: %s", oneLine(realm.Scheme+"://"+realm.Host))
	}
	return realm, nil
}
