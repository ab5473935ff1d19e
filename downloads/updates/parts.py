"""The parts of yt-dlp that vnsite replaces, overrides or reads although they are not public.

Each with what vnsite would do wrong without it; `downloads.fetch.examination` looks for them in a
set that is new. `tests/updates/test_parts.py` notices one that the source uses and that is missing
here.
"""

PARTS = {
    "yt_dlp.YoutubeDL.YoutubeDL._forceprint": "downloads would render every table several times",
    "yt_dlp.YoutubeDL.YoutubeDL._ies": "the extractor of a link could not be found",
    "yt_dlp.YoutubeDL.YoutubeDL._wait_for_video": "a premiere would keep its slot until it begins",
    "yt_dlp.YoutubeDL.YoutubeDL._request_director": (
        "a site that hangs would not be noticed in time"
    ),
    "yt_dlp.YoutubeDL.YoutubeDL._pps": "what ffmpeg has to do could not be done at once",
    "yt_dlp.YoutubeDL.YoutubeDL._progress_hooks": "subtitles would count as the video's bytes",
    "yt_dlp.YoutubeDL.YoutubeDL.add_default_info_extractors": (
        "each start would compare all names of extractors with each other"
    ),
    "yt_dlp.YoutubeDL.YoutubeDL.build_format_selector": "options could not be set for one download",
    "yt_dlp.YoutubeDL.YoutubeDL.dl": "an interrupted download could not go on",
    "yt_dlp.YoutubeDL.YoutubeDL.extract_info": "the extractor of a link could not be found",
    "yt_dlp.YoutubeDL.YoutubeDL.post_process": "what ffmpeg has to do could not be done at once",
    "yt_dlp.YoutubeDL.YoutubeDL.prepare_filename": (
        "the name of each file would be rendered several times"
    ),
    "yt_dlp.YoutubeDL.YoutubeDL.process_ie_result": "a list could not be told from a video",
    "yt_dlp.YoutubeDL.YoutubeDL.process_info": "a live stream could not be recorded",
    "yt_dlp.YoutubeDL.YoutubeDL.process_video_result": (
        "the limits of what a site offers would not hold"
    ),
    "yt_dlp.YoutubeDL.YoutubeDL.save_cookies": "cookies of a site could be written to a file",
    "yt_dlp.YoutubeDL.YoutubeDL.urlopen": "a file that changed on the site could be spliced",
    "yt_dlp.networking._requests.RequestsRH._get_instance": "each download would start slowly",
    "yt_dlp.extractor.lazy_extractors.LazyLoadExtractor.suitable": (
        "the extractor of a link could not be found"
    ),
    "yt_dlp.extractor.lazy_extractors.LazyLoadExtractor._VALID_URL": (
        "the extractor of a link could not be found"
    ),
    "yt_dlp.extractor.lazy_extractors.LazyLoadExtractor._ENABLED": (
        "extractors that are only asked by name would be tried with each link"
    ),
    "yt_dlp.postprocessor.FFmpegPostProcessor._ffmpeg_location": (
        "another ffmpeg than the chosen one would run"
    ),
    "yt_dlp.postprocessor.ffmpeg._get_exe_version_output": (
        "each start would wait for ffmpeg to tell its version"
    ),
    "yt_dlp.postprocessor.FFmpegMetadataPP._get_metadata_opts": (
        "title and author could not be written into the file"
    ),
    "yt_dlp.utils.Popen.communicate": "a program that hangs would not be noticed",
    "yt_dlp.extractor.common.InfoExtractor._parse_m3u8_vod_duration": (
        "the length of a stream would not be known"
    ),
    "yt_dlp.extractor.common.InfoExtractor._parse_m3u8_formats_and_subtitles": (
        "streams with sound of their own would be fetched without it"
    ),
    "yt_dlp.extractor.common.InfoExtractor._parse_mpd_periods": (
        "what is missing in a DASH stream would not be noticed"
    ),
    "yt_dlp.extractor.common.InfoExtractor._merge_mpd_periods": (
        "what is missing in a DASH stream would not be noticed"
    ),
    "yt_dlp.extractor.common.InfoExtractor._yes_playlist": (
        "a video within a list would be fetched without a word of the list"
    ),
    "yt_dlp.extractor.generic.unified_timestamp": "a long feed would be read slowly",
    "yt_dlp.utils.PagedList._getslice": "a long list would be held in memory as a whole",
    "yt_dlp.downloader.common.FileDownloader._report_progress_status": (
        "each report of progress would be rendered twice, for nobody"
    ),
    "yt_dlp.downloader.common.FileDownloader._hook_progress": (
        "the progress of fragments that come at once would be mixed up"
    ),
    "yt_dlp.downloader.fragment.FragmentFD.download_and_append_fragments": (
        "pieces of one file would be fetched at once, each from its beginning"
    ),
    "yt_dlp.downloader.hls.HlsFD.real_download": "HLS streams could not be checked",
    "yt_dlp.downloader.dash.DashSegmentsFD.real_download": "DASH streams could not be checked",
    "yt_dlp.downloader.fragment.unpad_pkcs7": "a wrong key would not be noticed",
    "yt_dlp.downloader.fragment.FragmentFD._download_fragment": (
        "a fragment that was cut would not be noticed"
    ),
    "yt_dlp.downloader.fragment.FragmentFD.decrypter": "streams could not be decrypted",
    "yt_dlp.downloader.fragment.FragmentFD._append_fragment": (
        "a fragment that was cut would not be noticed"
    ),
    "yt_dlp.downloader.fragment.FragmentFD._finish_frag_download": (
        "a stream that was cut would not be noticed"
    ),
}
