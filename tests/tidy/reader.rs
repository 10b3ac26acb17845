//! Reads one source file and says what is wrong with it. Opens no files.

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::{spanned::Spanned, visit::Visit};

use crate::{
    Complaint,
    layers::{Layer, layer_of, module_of},
};

pub const FUNCTION_LINES_MAX: usize = 70;
pub const FILE_LINES_MAX: usize = 400;

const PRINTING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

const EMPTY_NAMES: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "manager", "managers"];

/// Complaints about one file of `src`; `file` is its path below `src`.
pub fn inspect(file: &str, text: &str, for_tests: bool) -> Result<Vec<Complaint>, syn::Error> {
    let source = syn::parse_file(text)?;
    let mut complaints = Vec::new();
    let mut complain = |what: String| complaints.push(Complaint { file: format!("src/{file}"), line: 1, what });
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        complain(format!("has {lines} lines, more than {FILE_LINES_MAX}"));
    }
    let inner_doc = |attribute: &syn::Attribute| {
        matches!(attribute.style, syn::AttrStyle::Inner(_)) && attribute.path().is_ident("doc")
    };
    if !source.attrs.iter().any(inner_doc) {
        complain("does not say what it is (`//!`)".to_owned());
    }
    if let Some(name) = module_of(file).iter().find(|part| EMPTY_NAMES.contains(&part.as_str())) {
        complain(format!("`{name}` says nothing about what lives there"));
    }
    match layer_of(file) {
        None => complain("belongs to no layer".to_owned()),
        Some(layer) if !for_tests => {
            let mut reader = Reader { file, layer, module: module_of(file), complaints };
            reader.visit_file(&source);
            complaints = reader.complaints;
        }
        Some(_) => {}
    }
    Ok(complaints)
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::NameValue(_) => false,
    })
}

/// Modules in files of their own that `source` declares for tests only.
pub fn test_modules(file: &str, source: &syn::File) -> Vec<Vec<String>> {
    let declared = source.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_test(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    });
    declared.map(|name| module_of(file).into_iter().chain([name]).collect()).collect()
}

/// Walks the code of a file that is not for tests.
struct Reader<'a> {
    file: &'a str,
    layer: &'a Layer,
    module: Vec<String>,
    complaints: Vec<Complaint>,
}

impl Reader<'_> {
    fn complain(&mut self, span: Span, what: String) {
        self.complaints.push(Complaint { file: format!("src/{}", self.file), line: span.start().line, what });
    }

    /// `self` and `super` written out.
    fn absolute(&self, path: &[String]) -> Vec<String> {
        let above = path.iter().take_while(|part| *part == "super").count();
        let relative = above > 0 || path.first().is_some_and(|part| part == "self");
        if !relative {
            return path.to_vec();
        }
        let rest = path.iter().skip_while(|part| *part == "super" || *part == "self").cloned();
        let parents = self.module.iter().take(self.module.len().saturating_sub(above)).cloned();
        ["crate".to_owned()].into_iter().chain(parents).chain(rest).collect()
    }

    fn check_path(&mut self, path: &[String], span: Span) {
        let path = self.absolute(path);
        let layer = self.layer;
        for pattern in layer.never {
            if pattern.split("::").eq(path.iter().map(String::as_str).take(pattern.split("::").count())) {
                self.complain(span, format!("this layer never uses `{pattern}`"));
            }
        }
        let clock = |part: &String| part == "SystemTime" || part == "Instant";
        let now = path.len() > 1 && path.last().is_some_and(|part| part == "now");
        if !layer.tells_time && (now || path.iter().any(clock)) {
            self.complain(span, format!("this layer is given the time and never asks: `{}`", path.join("::")));
        }
        let stream = path.iter().any(|part| part == "stdout" || part == "stderr");
        if !layer.prints && stream && path.iter().any(|part| part == "io") {
            self.complain(span, "this layer never prints".to_owned());
        }
    }

    fn check_use(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let join = |name: String| prefix.iter().cloned().chain([name]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.check_use(&join(path.ident.to_string()), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.check_path(prefix, name.span()),
            syn::UseTree::Name(name) => self.check_path(&join(name.ident.to_string()), name.span()),
            syn::UseTree::Rename(name) => self.check_path(&join(name.ident.to_string()), name.span()),
            syn::UseTree::Glob(glob) => self.check_path(prefix, glob.span()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.check_use(prefix, tree)),
        }
    }

    /// Paths in the arguments of a macro, which are not parsed.
    fn check_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut at = Span::call_site();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 && !path.is_empty() {
                        self.check_path(&std::mem::take(&mut path), at);
                    }
                    (at, colons) = (ident.span(), 0);
                    path.push(ident.to_string());
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                other => {
                    self.check_path(&std::mem::take(&mut path), at);
                    if let TokenTree::Group(group) = other {
                        self.check_tokens(group.stream());
                    }
                }
            }
        }
        self.check_path(&path, at);
    }

    fn check_length(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let start = signature.fn_token.span().start().line;
        let lines = body.brace_token.span.close().end().line + 1 - start;
        if lines > FUNCTION_LINES_MAX {
            let what = format!("`{}` has {lines} lines, more than {FUNCTION_LINES_MAX}", signature.ident);
            self.complain(signature.fn_token.span(), what);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test(&module.attrs) {
            self.module.push(module.ident.to_string());
            syn::visit::visit_item_mod(self, module);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.check_use(&[], &item.tree);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !is_test(&function.attrs) {
            self.check_length(&function.sig, &function.block);
            syn::visit::visit_item_fn(self, function);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_impl(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            self.check_length(&function.sig, &function.block);
            syn::visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.check_length(&function.sig, body);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.check_path(&segments, path.span());
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let printing = item.path.segments.last().is_some_and(|name| PRINTING.iter().any(|print| name.ident == print));
        if printing && !self.layer.prints {
            self.complain(item.path.span(), "this layer never prints".to_owned());
        }
        self.check_tokens(item.tokens.clone());
        syn::visit::visit_macro(self, item);
    }
}
