//! Expressions of the tables: `coalesce(CommandLine, Image, 'unknown')`.

use std::collections::BTreeMap;
use std::sync::Arc;

use rulestone_value::{Value, fold};
use thiserror::Error;

use super::functions::{self, Function};

/// String tables of a file, by name.
pub(crate) type Tables = BTreeMap<String, Arc<BTreeMap<String, String>>>;

/// How a field reads from an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// The event's own field of this name.
    Raw(Arc<str>),
    /// Always this.
    Constant(Value),
    /// A function of others.
    Call(&'static Function, Vec<Expr>),
    /// What a string table has for a value, or for each of several, without case; where it has
    /// nothing, the value itself (`lookup`) or null (`find`).
    Lookup {
        /// The table, its keys folded.
        table: Arc<BTreeMap<String, String>>,
        /// The value looked up.
        argument: Box<Expr>,
        /// Whether what is not in the table stays as it is.
        keeps: bool,
    },
}

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExprError {
    /// There is no such function.
    #[error("unknown function {0:?}")]
    UnknownFunction(String),
    /// There is no such string table.
    #[error("unknown table {0:?}")]
    UnknownTable(String),
    /// A function was given too few or too many arguments.
    #[error("{0} takes {1} arguments")]
    Arguments(&'static str, &'static str),
    /// It is not an expression.
    #[error("cannot be read at {0:?}")]
    Syntax(String),
}

impl Expr {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// When it is not one, or names a function or table that is not there.
    pub(crate) fn parse(text: &str, tables: &Tables) -> Result<Expr, ExprError> {
        let mut parser = Parser { rest: text.trim(), tables };
        let expr = parser.expr()?;
        if parser.rest.is_empty() { Ok(expr) } else { Err(parser.error()) }
    }

    /// The event's own fields that it reads, each once.
    pub fn inputs(&self) -> Vec<Arc<str>> {
        let mut inputs = Vec::new();
        self.collect_inputs(&mut inputs);
        inputs
    }

    fn collect_inputs(&self, inputs: &mut Vec<Arc<str>>) {
        match self {
            Expr::Raw(name) if !inputs.contains(name) => inputs.push(name.clone()),
            Expr::Raw(_) | Expr::Constant(_) => {}
            Expr::Call(_, arguments) => arguments.iter().for_each(|a| a.collect_inputs(inputs)),
            Expr::Lookup { argument, .. } => argument.collect_inputs(inputs),
        }
    }

    /// The same with something else in place of each of the event's own fields.
    pub(crate) fn with_inputs(&self, of: &dyn Fn(&str) -> Expr) -> Expr {
        let changed = match self {
            Expr::Raw(name) => return of(name),
            Expr::Constant(_) => return self.clone(),
            Expr::Call(function, arguments) => {
                Expr::Call(function, arguments.iter().map(|a| a.with_inputs(of)).collect())
            }
            Expr::Lookup { table, argument, keeps } => Expr::Lookup {
                table: table.clone(),
                argument: Box::new(argument.with_inputs(of)),
                keeps: *keeps,
            },
        };
        if changed.inputs().is_empty() {
            return Expr::Constant(changed.value(&|_| Value::Null));
        }
        changed
    }

    /// Its value for an event whose own fields `get` gives.
    pub fn value(&self, get: &dyn Fn(&str) -> Value) -> Value {
        match self {
            Expr::Raw(name) => get(name),
            Expr::Constant(value) => value.clone(),
            Expr::Call(function, arguments) => {
                let values: Vec<Value> = arguments.iter().map(|a| a.value(get)).collect();
                (function.call)(&values)
            }
            Expr::Lookup { table, argument, keeps } => {
                let of = |value: &Value| {
                    let found = value.text().and_then(|text| table.get(&fold(&text)).cloned());
                    match found {
                        Some(found) => Value::String(found),
                        None if *keeps => value.clone(),
                        None => Value::Null,
                    }
                };
                match argument.value(get) {
                    Value::List(values) => Value::list(values.iter().map(of)),
                    value => of(&value),
                }
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    tables: &'a Tables,
}

impl Parser<'_> {
    fn expr(&mut self) -> Result<Expr, ExprError> {
        if let Some(quoted) = self.rest.strip_prefix('\'') {
            let (text, rest) = quoted.split_once('\'').ok_or_else(|| self.error())?;
            let constant = Expr::Constant(Value::string(text));
            self.rest = rest.trim_start();
            return Ok(constant);
        }
        let end = self.rest.find(['(', ')', ',']).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let name = name.trim();
        if name.is_empty() {
            return Err(self.error());
        }
        let Some(inner) = rest.strip_prefix('(') else {
            self.rest = rest;
            let is_null = name == "null";
            return Ok(if is_null { Expr::Constant(Value::Null) } else { Expr::Raw(name.into()) });
        };
        self.rest = inner.trim_start();
        let arguments = self.arguments()?;
        self.call(name, arguments)
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, ExprError> {
        let mut arguments = Vec::new();
        loop {
            arguments.push(self.expr()?);
            let (rest, more) = match self.rest.as_bytes().first() {
                Some(b',') => (&self.rest[1..], true),
                Some(b')') => (&self.rest[1..], false),
                _ => return Err(self.error()),
            };
            self.rest = rest.trim_start();
            if !more {
                return Ok(arguments);
            }
        }
    }

    fn call(&self, name: &str, mut arguments: Vec<Expr>) -> Result<Expr, ExprError> {
        if name == "lookup" || name == "find" {
            let (Some(argument), Some(Expr::Raw(table)), None) =
                (arguments.pop(), arguments.pop(), arguments.pop())
            else {
                return Err(ExprError::Arguments("lookup", "a table and a value as its two"));
            };
            let found = self.tables.get(&*table);
            let found = found.ok_or_else(|| ExprError::UnknownTable(table.to_string()))?;
            let folded = found.iter().map(|(key, value)| (fold(key), value.clone()));
            return Ok(Expr::Lookup {
                table: Arc::new(folded.collect()),
                argument: Box::new(argument),
                keeps: name == "lookup",
            });
        }
        let function =
            functions::find(name).ok_or_else(|| ExprError::UnknownFunction(name.to_owned()))?;
        if function.arguments.contains(&arguments.len()) {
            Ok(Expr::Call(function, arguments))
        } else {
            Err(ExprError::Arguments(function.name, function.usage))
        }
    }

    fn error(&self) -> ExprError {
        ExprError::Syntax(self.rest.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> Value {
        match name {
            "Image" => Value::string("C:\\Windows\\System32\\cmd.exe"),
            "ProcessId" => Value::string("0x1f4"),
            "Dash" => Value::string("-"),
            "User" => Value::string("bob"),
            "Domain" => Value::string("CORP"),
            "Hashes" => Value::string("MD5=AA,IMPHASH=BB"),
            "Text" => {
                Value::string("\tHostName=ConsoleHost\n\tHost Application = x.exe -c \"y=1\"\n")
            }
            "Label" => Value::string("S-1-16-12288"),
            "Path" => Value::string("\\REGISTRY\\MACHINE\\SOFTWARE\\x"),
            _ => Value::Null,
        }
    }

    #[test]
    fn expressions_read_events() {
        let levels = BTreeMap::from([("S-1-16-12288".to_owned(), "High".to_owned())]);
        let tables = Tables::from([("levels".to_owned(), Arc::new(levels))]);
        let cases = [
            ("Image", "C:\\Windows\\System32\\cmd.exe"),
            ("basename(Image)", "cmd.exe"),
            ("hex_to_decimal(ProcessId)", "500"),
            ("coalesce(None, Dash, User)", "bob"),
            ("coalesce(None, 'x, y')", "x, y"),
            ("concat(Domain, '/', User)", "CORP/bob"),
            ("account(Domain, User)", "CORP\\bob"),
            ("account(Dash, User)", "bob"),
            ("hash_part(Hashes, 'IMPHASH')", "BB"),
            ("line_value(Text, 'HostName')", "ConsoleHost"),
            ("lookup(levels, Label)", "High"),
            ("lookup(levels, User)", "bob"),
            ("registry_path(Path)", "HKLM\\SOFTWARE\\x"),
            ("registry_path('HKEY_CURRENT_USER\\x')", "HKCU\\x"),
            (
                "sysmon_key('HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\x')",
                "HKLM\\System\\CurrentControlSet\\x",
            ),
            ("find(levels, 's-1-16-12288')", "High"),
            (
                "sysmon_key('\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\x')",
                "HKLM\\System\\CurrentControlSet\\x",
            ),
            ("sysmon_key('\\REGISTRY\\MACHINE\\SOFTWARE\\Classes\\x')", "HKCR\\x"),
            ("registry_details('%%1876', '255')", "DWORD (0x000000ff)"),
            ("registry_details('%%1883', '0x100000002')", "QWORD (0x00000001-0x00000002)"),
            ("registry_details('%%1873', '')", "(Empty)"),
            ("device_path('\\device\\harddiskvolume2\\a.exe')", "C:\\a.exe"),
            ("item(list(User, Domain), '1')", "CORP"),
            ("item(defender_paths('file:_C:\\a; c:_D:\\b.zip->c'), '2')", "D:\\b.zip"),
        ];
        for (text, expected) in cases {
            let expr = Expr::parse(text, &tables).unwrap();
            assert_eq!(expr.value(&event), Value::string(expected), "{text}");
        }
        let nulls = [
            "find(levels, User)",
            "item(User, '1')",
            "concat(Domain, None)",
            "account(Domain, Dash)",
            "basename(None)",
            "null",
            "registry_details(None, User)",
        ];
        for text in nulls {
            assert!(Expr::parse(text, &tables).unwrap().value(&event).is_null(), "{text}");
        }
        let list = Expr::parse("list(lookup(levels, Label), Label)", &tables).unwrap();
        assert_eq!(list.value(&event).elements().len(), 2);
        assert_eq!(list.inputs(), [Arc::from("Label")]);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("nothing(Image)", ExprError::UnknownFunction("nothing".to_owned())),
            ("lookup(levels, Image)", ExprError::UnknownTable("levels".to_owned())),
            ("basename(Image, User)", ExprError::Arguments("basename", "one")),
            ("basename(Image", ExprError::Syntax(String::new())),
            ("Image)", ExprError::Syntax(")".to_owned())),
            ("'open", ExprError::Syntax("'open".to_owned())),
        ];
        for (text, expected) in cases {
            assert_eq!(Expr::parse(text, &Tables::new()), Err(expected), "{text}");
        }
    }
}
