//! What is run in the container: POSIX sh, for dash, bash and busybox alike.
//!
//! Each script ends with a builtin, so that the shell stays and its command line, which
//! has a mark of ours, stays with it: by that a broken one is found and ended with its
//! whole session. Paths come as `printf %b` takes them.

/// Puts the path of the first argument into `f`, with the home directory for `~`. The dot
/// keeps line breaks at its end.
macro_rules! with_path {
    ($rest:literal) => {
        concat!(
            "at() { f=$(printf '%b.' \"$1\"); f=${f%.}\n",
            "case $f in '~'|'~/'*) f=${HOME:-/}${f#?} ;; esac; }\n",
            "at \"$1\"\n",
            $rest
        )
    };
}

/// Lists programs and files. Arguments: path, mark.
pub const LIST: &str = with_path!(
    r#"for t in find stat xargs head tail tar sha256sum cksum readlink; do
  command -v "$t" >/dev/null 2>&1 && printf '%s ' "$t"
done
echo
if [ -d "$f" ] && [ "$(cd "$f" && pwd -P)" = / ]; then
  echo root
elif [ -d "$f" ]; then
  echo directory
  cd "$f" && find . -name lost+found -prune -o -exec stat -c "$2 %f %s %Y %n" {} +
elif [ -f "$f" ]; then
  echo file
  stat -L -c "$2 %f %s %Y ./x" "$f"
elif [ -e "$f" ] || [ -L "$f" ]; then
  echo special
else
  echo missing
fi
exit"#
);

/// Says what is at a path, and which programs there are. Argument: path.
pub const PLACE: &str = with_path!(
    r#"for t in find stat xargs head tail tar sha256sum cksum readlink; do
  command -v "$t" >/dev/null 2>&1 && printf '%s ' "$t"
done
echo
if [ -d "$f" ]; then echo directory
elif [ -f "$f" ]; then echo file
elif [ -e "$f" ]; then echo special
else echo missing
fi
exit"#
);

/// Says where links point. Arguments: directory, bytes of names on stdin.
pub const LINKS: &str = with_path!(
    r#"cd "$f" && head -c "$2" | xargs -0 sh -c 'for l do readlink "$l"; printf "\000"; done' x
exit"#
);

/// Packs files. Arguments: directory, bytes of names on stdin.
pub const PACK: &str = with_path!(
    r#"cd "$f" && head -c "$2" | xargs -0 tar -cf -
exit"#
);

/// Writes a part of a file. Arguments: file, where it begins for `tail`, its bytes.
///
/// Nobody writes to its stdin: it ends with the connection, also if kaiwo was killed, and
/// then so does all of this. Otherwise `tail` would wait for a reader for ever.
pub const PART: &str = with_path!(
    r#"exec 3<&0
{ read -r x; kill -KILL "-$$" "$$"; } <&3 >/dev/null 2>&1 &
w=$!
exec 3<&-
tail -c "$2" <"$f" | head -c "$3"
exec 2>/dev/null
kill "$w"
exit"#
);

/// Takes checksums of many files. Arguments: directory, bytes of names on stdin, program.
pub const SUMS: &str = with_path!(
    r#"cd "$f" && head -c "$2" | xargs -0 $3
exit"#
);

/// Takes the checksum of the beginning of a file. Arguments: file, bytes, program.
pub const SUM: &str = with_path!(
    r#"head -c "$2" <"$f" | $3
exit"#
);

/// Says which of some names exist. Arguments: directory, bytes of names on stdin.
pub const EXISTING: &str = with_path!(
    r#"cd "$f" 2>/dev/null || exit 0
head -c "$2" | xargs -0 sh -c 'for n do
  if [ -d "$n" ] && [ ! -L "$n" ]; then printf "d%s\000" "$n"
  elif [ -e "$n" ] || [ -L "$n" ]; then printf "f%s\000" "$n"
  fi
done' x
exit"#
);

/// Creates a directory that can be written. Argument: directory.
pub const DIRECTORY: &str = with_path!(
    r#"mkdir -p "$f" && cd "$f" && { [ -w . ] || { echo 'Permission denied' >&2; exit 1; }; }
exit"#
);

/// Runs a command with names. Arguments: directory, bytes of names on stdin, command with
/// its flags.
pub const WITH_NAMES: &str = with_path!(
    r#"cd "$f" && head -c "$2" | xargs -0 $3
exit"#
);

/// Unpacks files. Arguments: directory, bytes of the archive on stdin.
pub const UNPACK: &str = with_path!(
    r#"umask 0
cd "$f" && head -c "$2" | tar -xof -
exit"#
);

/// Appends to a file. Arguments: file, bytes on stdin.
pub const APPEND: &str = with_path!(
    r#"head -c "$2" >>"$f"
exit"#
);

/// Says how long a file is. Argument: file.
pub const LENGTH: &str = with_path!(
    r#"if [ -f "$f" ]; then wc -c <"$f"; else echo 0; fi
exit"#
);

/// Removes a file. Argument: file.
pub const REMOVE: &str = with_path!(
    r#"rm -f "$f"
exit"#
);

/// Gives a file its permissions, time and name. Arguments: file, mode, seconds since
/// 1970, and its name.
pub const FINISH: &str = with_path!(
    r#"p=$f; at "$4"; n=$f; f=$p
touch -d "@$3" "$f" 2>/dev/null
chmod "$2" "$f" && mv -f "$f" "$n"
exit"#
);

/// Ends what carries the mark, whose halves are the arguments so that this shell has it
/// not itself. A session is ended as a whole. Says how many there were.
pub const SWEEP: &str = r#"n=0
for d in /proc/[0-9]*; do
  c=$(tr '\000' ' ' <"$d/cmdline" 2>/dev/null) || continue
  case $c in *"$1$2"*)
    p=${d#/proc/}
    kill -KILL "-$p" 2>/dev/null
    kill -KILL "$p" 2>/dev/null
    n=$((n+1)) ;;
  esac
done
echo "$n"
exit"#;
