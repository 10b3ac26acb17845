// Checks a ledger with the libraries of Go's checksum database, which know
// nothing of retentiond: the signature of the checkpoint (sumdb/note), the root,
// the inclusion of every line and the consistency of every kept checkpoint
// (sumdb/tlog, from the tiles).
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run audit.go LEDGER VKEY [KEPT-CHECKPOINT]...
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Tiles of 2^8 hashes; C2SP leaves the height out of the path.
type tiles string

func (t tiles) Height() int                         { return 8 }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) ReadTiles(w []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range w {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := os.ReadFile(filepath.Join(string(t), path))
		if err != nil {
			return nil, err
		}
		data = append(data, bytes)
	}
	return data, nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "NOT VERIFIED:", err)
		os.Exit(1)
	}
}

// The tree that a checkpoint signs.
func open(file string, verifier note.Verifier) tlog.Tree {
	text, err := os.ReadFile(file)
	must(err)
	signed, err := note.Open(text, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 3 || lines[0] != verifier.Name() {
		must(fmt.Errorf("%s: it is of another log", file))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	var hash tlog.Hash
	copy(hash[:], root)
	return tlog.Tree{N: size, Hash: hash}
}

func main() {
	ledger := os.Args[1]
	key, err := os.ReadFile(os.Args[2])
	must(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	must(err)
	tree := open(filepath.Join(ledger, "checkpoint"), verifier)
	fmt.Println("signature    ok, key", verifier.Name())

	reader := tlog.TileHashReader(tree, tiles(ledger))
	root, err := tlog.TreeHash(tree.N, reader)
	must(err)
	if root != tree.Hash {
		must(fmt.Errorf("the tiles have the root %v", root))
	}
	fmt.Println("root         ok,", root)

	text, err := os.ReadFile(filepath.Join(ledger, "ledger.jsonl"))
	must(err)
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if int64(len(lines)) != tree.N {
		must(fmt.Errorf("%d lines, %d are signed", len(lines), tree.N))
	}
	for n, line := range lines {
		proof, err := tlog.ProveRecord(tree.N, int64(n), reader)
		must(err)
		must(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(n), tlog.RecordHash(line)))
	}
	fmt.Println("inclusion    ok,", len(lines), "lines")

	kept, err := filepath.Glob(filepath.Join(ledger, "checkpoints", "*"))
	must(err)
	kept = append(kept, os.Args[3:]...)
	for _, file := range kept {
		old := open(file, verifier)
		if old.N > tree.N {
			must(fmt.Errorf("%s: truncated: it has %d entries, the ledger %d", file, old.N, tree.N))
		}
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		must(err)
		must(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	}
	fmt.Println("consistency  ok,", len(kept), "checkpoints")
}
