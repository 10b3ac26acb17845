// Checks a ledger with the libraries of Go's checksum database, which know
// nothing of retentiond: the signature of the checkpoint (sumdb/note), the root,
// the inclusion of every line and the consistency of every kept checkpoint
// (sumdb/tlog, from the tiles). VKEY may be a key that has handed over since: then
// the handovers in the lines are followed, each under both signatures. Where old
// lines were dropped on record, before/CUT has those that were kept.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run audit.go LEDGER VKEY [KEPT-CHECKPOINT]...
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
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

func verifier(text string) note.Verifier {
	verifier, err := note.NewVerifier(strings.TrimSpace(text))
	must(err)
	return verifier
}

// The entry `seq` hands over from one key to the next.
type handover struct {
	seq            int64
	previous, next note.Verifier
}

// A line with its number, and as much of what it says as is looked at here.
type line struct {
	bytes                      []byte
	Seq, Cut, Kept             int64
	Dropped, Lines             int64
	Type, Previous, Next, File string
}

func split(file string) [][]byte {
	text, err := os.ReadFile(file)
	must(err)
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

// The lines that are there, and how many were dropped. Those before the first line
// of ledger.jsonl are the kept ones, under a head that says what all add up to.
func read(ledger string) (lines []line, dropped int64) {
	text := split(filepath.Join(ledger, "ledger.jsonl"))
	var first line
	must(json.Unmarshal(text[0], &first))
	before := filepath.Join(ledger, "before", strconv.FormatInt(first.Seq, 10))
	if first.Seq > 0 {
		text = append(split(before)[1:], text...)
	}
	next := int64(0)
	for _, bytes := range text {
		l := line{bytes: bytes}
		must(json.Unmarshal(bytes, &l))
		if l.Seq < next || l.Seq > next && l.Seq > first.Seq {
			must(fmt.Errorf("line %d stands where %d must", l.Seq+1, next+1))
		}
		dropped += l.Seq - next
		next = l.Seq + 1
		lines = append(lines, l)
	}
	if first.Seq > 0 {
		kept, err := os.ReadFile(before)
		must(err)
		onRecord := false
		for _, l := range lines {
			same := l.File == fmt.Sprintf("sha256:%x", sha256.Sum256(kept)) && l.Kept == first.Seq-dropped
			onRecord = onRecord || l.Type == "ledger.pruned" && l.Cut == first.Seq && same
		}
		if !onRecord {
			must(fmt.Errorf("%d lines are missing, and no entry says that these were dropped", dropped))
		}
	}
	return lines, dropped
}

// Each ledger.pruned has its ledger.dropped before the next one; the newest may wait
// for it where the program was interrupted. Says whether it does.
func paired(lines []line) bool {
	var open *line
	for i, l := range lines {
		switch {
		case l.Type == "ledger.pruned" && open == nil:
			open = &lines[i]
		case l.Type == "ledger.dropped" && open != nil && l.Cut == open.Cut && l.Lines == open.Dropped:
			open = nil
		case l.Type == "ledger.pruned" || l.Type == "ledger.dropped":
			must(fmt.Errorf("line %d says of dropped lines what does not follow", l.Seq+1))
		}
	}
	return open == nil
}

// The handovers in the lines. One of them, or none at all, must be of the key given.
func handovers(lines []line, given note.Verifier) []handover {
	var found []handover
	known := false
	for _, entry := range lines {
		if entry.Type != "ledger.rekeyed" {
			continue
		}
		h := handover{entry.Seq, verifier(entry.Previous), verifier(entry.Next)}
		if last := len(found) - 1; last >= 0 && !same(found[last].next, h.previous) {
			must(fmt.Errorf("line %d hands over a key that is not in force", entry.Seq+1))
		}
		known = known || same(h.previous, given) || same(h.next, given)
		found = append(found, h)
	}
	if len(found) > 0 && !known {
		must(fmt.Errorf("%s is no key of this ledger", given.Name()))
	}
	return found
}

func same(a, b note.Verifier) bool { return a.Name() == b.Name() && a.KeyHash() == b.KeyHash() }

// The tree that a checkpoint signs, and the text it is signed in.
func parse(file string) (tlog.Tree, []byte) {
	text, err := os.ReadFile(file)
	must(err)
	lines := strings.Split(string(text), "\n")
	if len(lines) < 5 {
		must(fmt.Errorf("%s: it is no checkpoint", file))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	var hash tlog.Hash
	copy(hash[:], root)
	return tlog.Tree{N: size, Hash: hash}, text
}

// Opens a checkpoint with the key of its size. If it is the first one after a
// handover (the one before it is of size `before`), both keys must have signed.
func open(file string, given note.Verifier, chain []handover, before int64) tlog.Tree {
	tree, text := parse(file)
	key := given
	if len(chain) > 0 {
		key = chain[0].previous
	}
	need := []note.Verifier{}
	for _, h := range chain {
		if h.seq < tree.N {
			key = h.next
		}
		if before <= h.seq && h.seq < tree.N {
			need = append(need, h.previous)
		}
	}
	for _, verifier := range append(need, key) {
		signed, err := note.Open(text, note.VerifierList(verifier))
		if err != nil {
			must(fmt.Errorf("%s: %v", file, err))
		}
		if !strings.HasPrefix(signed.Text, verifier.Name()+"\n") {
			must(fmt.Errorf("%s: it is of another log", file))
		}
	}
	return tree
}

// The checkpoints that the folder keeps, by size.
func checkpoints(ledger string) []string {
	kept, err := filepath.Glob(filepath.Join(ledger, "checkpoints", "*"))
	must(err)
	size := func(file string) int64 {
		size, err := strconv.ParseInt(filepath.Base(file), 10, 64)
		must(err)
		return size
	}
	sort.Slice(kept, func(a, b int) bool { return size(kept[a]) < size(kept[b]) })
	return kept
}

func main() {
	ledger := os.Args[1]
	text, err := os.ReadFile(os.Args[2])
	must(err)
	given := verifier(string(text))
	lines, dropped := read(ledger)
	settled := paired(lines)
	chain := handovers(lines, given)

	// Each checkpoint with the size of the one before it; the newest is kept too.
	kept := checkpoints(ledger)
	var trees []tlog.Tree
	before := int64(0)
	for _, file := range kept {
		tree := open(file, given, chain, before)
		trees = append(trees, tree)
		before = tree.N
	}
	newest := filepath.Join(ledger, "checkpoint")
	tree, _ := parse(newest)
	before = 0
	for _, old := range trees {
		if old.N < tree.N {
			before = old.N
		}
	}
	tree = open(newest, given, chain, before)
	fmt.Println("signature    ok, key", given.Name())
	for _, h := range chain {
		fmt.Printf("handover     ok, in line %d, to key %08x\n", h.seq+1, h.next.KeyHash())
	}

	reader := tlog.TileHashReader(tree, tiles(ledger))
	root, err := tlog.TreeHash(tree.N, reader)
	must(err)
	if root != tree.Hash {
		must(fmt.Errorf("the tiles have the root %v", root))
	}
	fmt.Println("root         ok,", root)

	if int64(len(lines))+dropped != tree.N {
		must(fmt.Errorf("%d lines, %d are signed", int64(len(lines))+dropped, tree.N))
	}
	for _, line := range lines {
		proof, err := tlog.ProveRecord(tree.N, line.Seq, reader)
		must(err)
		must(tlog.CheckRecord(proof, tree.N, tree.Hash, line.Seq, tlog.RecordHash(line.bytes)))
	}
	fmt.Println("inclusion    ok,", len(lines), "lines")
	if !settled {
		fmt.Println("pruned       open, no line says yet that the lines to be dropped are gone")
	}
	if dropped > 0 {
		fmt.Println("pruned       ok,", dropped, "lines were dropped on record; what they said cannot be checked")
	}

	for _, file := range os.Args[3:] {
		// From elsewhere: which one came before it is not known here.
		size, _ := parse(file)
		trees = append(trees, open(file, given, chain, size.N))
	}
	for _, old := range trees {
		if old.N > tree.N {
			must(fmt.Errorf("truncated: a checkpoint has %d entries, the ledger %d", old.N, tree.N))
		}
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		must(err)
		must(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	}
	fmt.Println("consistency  ok,", len(trees), "checkpoints")
}
