# Loads the URL $1 into the directory $2; a file of the name $3 says that it is
# complete. Written for any sh, and for whichever tool the image has.
set -eu
url=$1 dir=$2 mark=$2/$3

has() { command -v "$1" >/dev/null 2>&1; }
fail() { echo "kaiwo: $*" >&2; exit 1; }
skip_if_complete() {
  if [ -e "$mark" ]; then
    echo "kaiwo: $url is in $dir already"
    exit 0
  fi
}
initializer=/storage-initializer/scripts/initializer-entrypoint
lacking() { fail "this image has none of $*; --preload-image names one that has"; }

mkdir -p "$dir" || fail "$dir cannot be written"
skip_if_complete
# Pods that share a claim load one after the other; the lock goes with its owner.
if has flock; then
  exec 9>"$dir/.kaiwo-preload.lock"
  flock 9
  skip_if_complete
fi

echo "kaiwo: loading $url into $dir"
case $url in
hf://*)
  model=${url#hf://} revision=main
  case $model in *@*) revision=${model#*@} model=${model%%@*} ;; esac
  if has hf; then
    hf download "$model" --revision "$revision" --local-dir "$dir"
  elif has python3 && python3 -c 'import huggingface_hub' 2>/dev/null; then
    python3 -c 'import sys; from huggingface_hub import snapshot_download as load
load(sys.argv[1], revision=sys.argv[2], local_dir=sys.argv[3])' "$model" "$revision" "$dir"
  else
    lacking hf and huggingface_hub
  fi
  ;;
s3://*)
  if has aws; then
    case $url in
    */) aws s3 sync --no-progress "$url" "$dir" ;;
    *) aws s3 cp --no-progress "$url" "$dir/" ;;
    esac
  elif [ -e "$initializer" ]; then
    python3 "$initializer" "$url" "$dir"
  else
    lacking aws and KServe\'s storage initializer
  fi
  ;;
gs://*)
  if has gcloud; then
    case $url in
    */) gcloud storage rsync --recursive "$url" "$dir" ;;
    *) gcloud storage cp "$url" "$dir/" ;;
    esac
  elif [ -e "$initializer" ]; then
    python3 "$initializer" "$url" "$dir"
  else
    lacking gcloud and KServe\'s storage initializer
  fi
  ;;
*)
  name=${url%%[?#]*} name=${name##*/}
  part=$dir/.$name.part
  if has curl; then
    curl -fsSL --retry 5 -o "$part" "$url"
  elif has wget; then
    wget -q -O "$part" "$url"
  elif has python3; then
    python3 -c 'import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1]) as source, open(sys.argv[2], "wb") as target:
    shutil.copyfileobj(source, target)' "$url" "$part"
  else
    lacking curl, wget and python3
  fi
  mv "$part" "$dir/$name"
  ;;
esac
echo "$url" >"$mark"
