package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// nets reach out and answer.
var nets = map[string]command{
	"connect": {"tcp|udp ADDRESS", connect, 2},
	"listen":  {"ADDRESS [TEXT]", listen, 1},
	"bind":    {"ADDRESS", bind, 1},
	"answer":  {"ADDRESS", answer, 1},
	"address": {"", address, 0},
	"gateway": {"", gateway, 0},
	"lookup":  {"NAME", lookup, 1},
}

// connect opens a connection and, for udp, waits for an answer to one packet.
func connect(args []string) (string, error) {
	conn, err := net.DialTimeout(args[0], args[1], time.Second)
	if err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			return "timeout", nil
		}
		return "", err
	}
	defer conn.Close()
	if !strings.HasPrefix(args[0], "udp") {
		return "ok", nil
	}
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("peek")); err != nil {
		return "", err
	}
	if _, err := conn.Read(make([]byte, 16)); err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			return "timeout", nil
		}
		return "", err
	}
	return "ok", nil
}

// listen answers over HTTP until it is killed; the answer names who asked.
func listen(args []string) (string, error) {
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return "", err
	}
	own, err := address(nil)
	if err != nil {
		return "", err
	}
	fmt.Println("listening", own)
	text := strings.Join(args[1:], " ")
	return "", http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from %s\n", text, r.RemoteAddr)
	}))
}

func bind(args []string) (string, error) {
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return "", err
	}
	return "ok", listener.Close()
}

// answer sends each udp packet back.
func answer(args []string) (string, error) {
	conn, err := net.ListenPacket("udp", args[0])
	if err != nil {
		return "", err
	}
	fmt.Println("listening")
	packet := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(packet)
		if err != nil {
			return "", err
		}
		if _, err := conn.WriteTo(packet[:n], from); err != nil {
			return "", err
		}
	}
}

// address gives the first IPv4 address that is not of the loopback interface.
func address([]string) (string, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, addr := range addrs {
		if ip, _, err := net.ParseCIDR(addr.String()); err == nil && ip.To4() != nil && !ip.IsLoopback() {
			return ip.String(), nil
		}
	}
	return "none", nil
}

// gateway gives the gateway of the default IPv4 route.
func gateway([]string) (string, error) {
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(string(data), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[1] != "00000000" {
			continue
		}
		var address uint32 // in the byte order of a little-endian machine
		if _, err := fmt.Sscanf(fields[2], "%x", &address); err != nil {
			return "", err
		}
		return net.IPv4(byte(address), byte(address>>8), byte(address>>16), byte(address>>24)).String(), nil
	}
	return "none", nil
}

func lookup(args []string) (string, error) {
	addrs, err := net.LookupHost(args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return "", fmt.Errorf("not found")
	}
	return strings.Join(addrs, " "), nil
}
