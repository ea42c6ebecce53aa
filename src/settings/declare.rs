//! Declares the settings: what a row of the table in the room's `mod.rs` stands for.

macro_rules! settings {
    (
        values { $(
            $(#[doc = $doc:literal])+
            $(#[serde(alias = $alias:literal)])*
            $field:ident: $type:ty = $variable:literal, $of:ident $heading:literal
            $(=> $into:ident)? $(, |$flag:ident| $more:expr)?;
        )* }
        pairs { $(
            $(#[doc = $pair_doc:literal])+
            $pair:ident = $pair_variable:literal, $pair_of:ident $pair_heading:literal
            $(, |$pair_flag:ident| $pair_more:expr)?;
        )* }
    ) => {
        /// What one source says; `None` or nothing where it is silent.
        ///
        /// As a file this is YAML with the camelCase keys of the flags.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        #[expect(
            rustdoc::broken_intra_doc_links,
            reason = "the help of flags has forms such as PVC:/path[:ro]"
        )]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                $(#[serde(alias = $alias)])*
                pub $field: Option<$type>,
            )*
            $( $(#[doc = $pair_doc])+ #[serde(default)] pub $pair: Pairs, )*
        }

        /// What all sources say together, each value with its origin. Of
        /// pairs, every key goes its own way; everything else is taken whole.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Merged {
            $(
                #[doc = concat!("See [`Settings::", stringify!($field), "`].")]
                pub $field: Option<Sourced<$type>>,
            )*
            $(
                #[doc = concat!("See [`Settings::", stringify!($pair), "`].")]
                pub $pair: BTreeMap<String, Sourced<Confidential<String>>>,
            )*
        }

        impl Settings {
            /// Returns the flags of the settings that a command has.
            fn flags(command: Command) -> Vec<Arg> {
                let mut flags = Vec::new();
                $( if Command::$of.includes(command) {
                    let flag = flag!($field, $type, $heading, concat!($($doc),+));
                    $( let $flag = flag; let flag = $more; )?
                    flags.push(flag);
                } )*
                $( if Command::$pair_of.includes(command) {
                    let flag = flag!($pair, Pairs, $pair_heading, concat!($($pair_doc),+));
                    $( let $pair_flag = flag; let flag = $pair_more; )?
                    flags.push(flag);
                } )*
                flags
            }

            /// Takes what was typed.
            fn typed(matches: &mut ArgMatches) -> Self {
                Self {
                    $( $field: FlagValue::typed(matches, stringify!($field)), )*
                    $( $pair: FlagValue::typed(matches, stringify!($pair)).unwrap_or_default(), )*
                }
            }

            /// Finds what is said relative to the directory of a file.
            fn resolve(&mut self, directory: &Path) {
                $( if let Some(value) = &mut self.$field {
                    value.resolve(directory);
                } )*
            }

            /// Reads the `KAIWO_*` variables through `lookup`, and returns each
            /// as a source of its own.
            ///
            /// # Errors
            /// [`SettingsError::Variable`] for a value that cannot be read.
            pub fn from_variables(
                lookup: impl Fn(&'static str) -> Option<String>,
            ) -> Result<Vec<(Origin, Settings)>, SettingsError> {
                let mut sources = Vec::new();
                // A variable that is set to nothing says nothing: CI systems
                // export those that a pipeline left open.
                // Kubernetes sets some for the Services of a pod's namespace: one
                // called `kaiwo` makes KAIWO_PORT=tcp://10.0.0.1:80.
                let says = |text: &String| !text.is_empty() && !is_of_a_service(text);
                let lookup = |name| lookup(name).filter(says);
                $( if let Some(text) = lookup($variable) {
                    let $field = Some(from_variable($variable, text)?);
                    sources.push((Origin::Variable($variable), Settings { $field, ..Settings::default() }));
                } )*
                $( if let Some(text) = lookup($pair_variable) {
                    let $pair = text
                        .parse()
                        .map_err(|reason| SettingsError::Pairs { name: $pair_variable, reason })?;
                    sources.push((Origin::Variable($pair_variable), Settings { $pair, ..Settings::default() }));
                } )*
                Ok(sources)
            }

            /// Lists the keys that a file may hold, as written there.
            pub fn keys() -> Vec<String> {
                vec![ $( camel_case(stringify!($field)), )* $( camel_case(stringify!($pair)), )* ]
            }

            /// Lists everything that is known of each setting, in the order of
            /// the table.
            pub fn table() -> Vec<Setting> {
                vec![
                    $( Setting {
                        field: stringify!($field),
                        aliases: &[$( $alias, )*],
                        variable: $variable,
                        description: concat!($( $doc ),+).trim(),
                        schema: or_null(<$type as Schema>::schema()),
                    }, )*
                    $( Setting {
                        field: stringify!($pair),
                        aliases: &[],
                        variable: $pair_variable,
                        description: concat!($( $pair_doc ),+).trim(),
                        schema: or_null(<Pairs as Schema>::schema()),
                    }, )*
                ]
            }
        }

        impl Merged {
            /// Lists every value with its key as in files (`env.NAME` for
            /// pairs) and its origin, in the order of the table.
            pub fn entries(&self) -> Vec<ShownSetting<'_>> {
                let mut entries = Vec::new();
                $( if let Some(Sourced { value, origin }) = &self.$field {
                    let key = camel_case(stringify!($field));
                    let value = Confidential::new(serde_json::json!(value));
                    entries.push(ShownSetting { key, value, origin });
                } )*
                $( for (name, Sourced { value, origin }) in &self.$pair {
                    let key = format!("{}.{name}", camel_case(stringify!($pair)));
                    let value = Confidential::new(serde_json::json!(value.expose()));
                    entries.push(ShownSetting { key, value, origin });
                } )*
                entries
            }

            /// Returns those of the pods that a row passes on as they are.
            pub fn pods(&self) -> PodSettings {
                PodSettings {
                    $( $( $into: self.$field.pass_on(), )? )*
                    ..PodSettings::default()
                }
            }

            /// Takes from `source` what no source before it has said.
            fn fill(&mut self, origin: &Origin, source: Settings) {
                $( if self.$field.is_none() && let Some(value) = source.$field {
                    self.$field = Some(Sourced { value, origin: origin.clone() });
                } )*
                $( for (key, value) in source.$pair.0 {
                    self.$pair.entry(key).or_insert_with(|| Sourced { value, origin: origin.clone() });
                } )*
            }
        }
    };
}
